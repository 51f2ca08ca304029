"""The training loss of one batch of frames (Eq. 3): match, then weigh the terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevis.training.config import LossConfig
from mobilevis.training.distributed import mean_over_processes
from mobilevis.training.objectives import losses
from mobilevis.training.objectives.matcher import Assignment, Target, match


class Predictions(Protocol):
    """What the criterion reads of a model's output."""

    @property
    def class_logits(self) -> Tensor:
        """(B, N, C)."""

    @property
    def objectness_logits(self) -> Tensor:
        """(B, N)."""

    @property
    def mask_logits(self) -> Tensor:
        """(B, N, H/4, W/4)."""


def frame_losses(
    predictions: Predictions, targets: Sequence[Target], weights: LossConfig
) -> tuple[dict[str, Tensor], list[Assignment]]:
    """The weighted loss terms of a batch of frames, each frame matched on its own.

    Class terms cover every query; mask and objectness terms cover the matched ones. All are sums over the
    batch divided by its number of instances, so that a frame's weight follows its instances, as in
    SparseInst.

    Args:
        predictions: of B frames.
        targets: B targets.
        weights: of the terms.

    Returns:
        The terms ``classes``, ``dice``, ``pixel`` and ``objectness`` (scalars, already weighted: the loss is
        their sum), and the B assignments.
    """
    assignments = [
        match(class_logits, mask_logits, target)
        for class_logits, mask_logits, target in zip(
            predictions.class_logits, predictions.mask_logits, targets
        )
    ]
    count = instance_count(sum(len(target.labels) for target in targets), predictions.class_logits.device)
    class_logits = predictions.class_logits.float()
    matched_logits, matched_targets = gather_masks(predictions.mask_logits, targets, assignments)
    terms = {
        "classes": weights.classes
        * losses.focal_loss(class_logits, one_hot(class_logits, targets, assignments)),
        "dice": weights.dice * losses.dice_loss(matched_logits, matched_targets).sum(),
        "pixel": weights.pixel * losses.pixel_loss(matched_logits, matched_targets).sum(),
    }
    objectness = torch.cat(
        [
            row[assignment.queries]
            for row, assignment in zip(predictions.objectness_logits.float(), assignments)
        ]
    )
    ious = losses.mask_iou(matched_logits, matched_targets)
    terms["objectness"] = weights.objectness * losses.objectness_loss(objectness, ious).sum()
    return {name: term / count for name, term in terms.items()}, assignments


def instance_count(instances: int, device: torch.device) -> Tensor:
    """The number of instances a process's loss is divided by: the mean over the processes, at least 1.

    Gradients are averaged over processes; with this count the average equals one process's gradient on the
    joint batch.
    """
    return mean_over_processes(torch.tensor(float(instances), device=device)).clamp(min=1)


def gather_masks(
    mask_logits: Tensor, targets: Sequence[Target], assignments: Sequence[Assignment]
) -> tuple[Tensor, Tensor]:
    """The matched masks of a batch, flattened: logits (K, P) float32 and targets (K, P), P = h·w."""
    logits = [row[assignment.queries] for row, assignment in zip(mask_logits, assignments)]
    masks = [target.masks[assignment.instances] for target, assignment in zip(targets, assignments)]
    return torch.cat(logits).flatten(1).float(), torch.cat(masks).flatten(1)


def one_hot(class_logits: Tensor, targets: Sequence[Target], assignments: Sequence[Assignment]) -> Tensor:
    """Class targets (B, N, C): a 1 where a matched query meets its instance's class, 0 elsewhere."""
    result = torch.zeros_like(class_logits)
    for row, target, assignment in zip(result, targets, assignments):
        row[assignment.queries] = F.one_hot(target.labels[assignment.instances], row.shape[1]).to(row.dtype)
    return result
