"""SparseInst's loss of single frames (Cheng et al., CVPR 2022), which MobileInst takes over (Eq. 3, §3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mobilevis.training.objectives import losses
from mobilevis.training.objectives.base import LossWeights
from mobilevis.training.objectives.criterion import gather_masks, instance_count, one_hot
from mobilevis.training.objectives.matcher import Assignment, Target, assign

# The match maximises Σ dice^0.8 · p^0.2.
DICE_EXPONENT = 0.8
CLASS_EXPONENT = 0.2


@dataclass(frozen=True)
class SparseInstLoss(LossWeights):
    """Weights of the loss (MobileInst's Eq. 3): λ_c = 2, λ_mask = 2, λ_obj = 1.

    The paper's mask loss is dice plus pixel cross-entropy and leaves their ratio open; SparseInst, which it
    follows, weighs them 2 and 5.

    Attributes:
        classes: of the focal loss of all queries' classes.
        dice: of the matched masks' dice loss.
        pixel: of the matched masks' binary cross-entropy.
        objectness: of the matched queries' objectness against their masks' IoU.
    """

    classes: float = 2.0
    dice: float = 2.0
    pixel: float = 5.0
    objectness: float = 1.0


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


@torch.no_grad()
def match_quality(class_logits: Tensor, mask_logits: Tensor, target: Target) -> Tensor:
    """How well each query explains each instance of one frame: dice^0.8 · p^0.2.

    Args:
        class_logits: (N, C).
        mask_logits: (N, h, w).
        target: M instances.

    Returns:
        (N, M), in [0, 1], larger is better.
    """
    probabilities = class_logits.float().sigmoid()[:, target.labels]
    dice = losses.pairwise_dice_score(mask_logits.float().sigmoid().flatten(1), target.masks.flatten(1))
    return dice.pow(DICE_EXPONENT) * probabilities.pow(CLASS_EXPONENT)


def match_frames(predictions: Predictions, targets: Sequence[Target]) -> list[Assignment]:
    """Match each frame of a batch on its own.

    Raises:
        FloatingPointError: the predictions are not finite.
    """
    frames = zip(predictions.class_logits, predictions.mask_logits, targets)
    return [assign(match_quality(*frame), maximize=True) for frame in frames]


def frame_losses(
    predictions: Predictions, targets: Sequence[Target], weights: SparseInstLoss
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
    assignments = match_frames(predictions, targets)
    count = instance_count(sum(len(target.labels) for target in targets), predictions.class_logits.device)
    class_logits = predictions.class_logits.float()
    matched_logits, matched_targets = gather_masks(predictions.mask_logits, targets, assignments)
    terms = {
        "classes": weights.classes
        * losses.focal_loss(class_logits, one_hot(class_logits, targets, assignments)),
        "dice": weights.dice * losses.dice_loss(matched_logits, matched_targets).sum(),
        "pixel": weights.pixel * losses.pixel_loss(matched_logits, matched_targets).sum(),
    }
    rows = zip(predictions.objectness_logits.float(), assignments)
    objectness = torch.cat([row[assignment.queries] for row, assignment in rows])
    ious = losses.mask_iou(matched_logits, matched_targets)
    terms["objectness"] = weights.objectness * losses.objectness_loss(objectness, ious).sum()
    return {name: term / count for name, term in terms.items()}, assignments
