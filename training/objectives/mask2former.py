"""Mask2Former's training loss: match each layer's predictions to the instances, then weigh the terms.

Differs from the paper in two points. The mask losses cover every pixel of the quarter-resolution masks, where
Mask2Former samples 12,544 points of binary masks to save memory on larger images. And as these pixels hold
coverages, the dice loss has squared denominators: without the squares it is least for a mask of zeros and
ones, whose edges lie up to half a cell beside the object's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mobilevis.models.minvis.minvis import Prediction
from mobilevis.training.objectives.base import LossWeights
from mobilevis.training.objectives.criterion import instance_count
from mobilevis.training.objectives.losses import dice_loss, pairwise_dice_score, pixel_loss
from mobilevis.training.objectives.matcher import (
    Assignment,
    Instances,
    Target,
    join_matches,
    pad_targets,
    solve_frames,
)


@dataclass(frozen=True)
class Mask2FormerLoss(LossWeights):
    """Weights of the loss, and of the same terms in the matching cost.

    Attributes:
        classes: of the cross-entropy over the classes and "no object".
        mask: of the pixels' binary cross-entropy.
        dice: of the dice loss.
        no_object: of the queries without an instance, within the cross-entropy.
    """

    classes: float = 2.0
    mask: float = 5.0
    dice: float = 5.0
    no_object: float = 0.1


def pairwise_pixel_loss(mask_logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy of every predicted mask with every instance, averaged over the pixels.

    Args:
        mask_logits: (…, N, P).
        masks: (…, M, P), in [0, 1].

    Returns:
        (…, N, M)
    """
    as_background = F.softplus(mask_logits).sum(-1, keepdim=True)
    return (as_background - mask_logits @ masks.transpose(-1, -2)) / masks.shape[-1]


@torch.no_grad()
def match_costs(prediction: Prediction, instances: Instances, weights: Mask2FormerLoss) -> Tensor:
    """The cost (B, N, M) of giving each query each instance of its frame, less a constant: the loss's terms.

    Args:
        prediction: (B, N, C + 1) and (B, N, h, w).
        instances: of the B frames.
        weights: of the terms.
    """
    labels = instances.labels[:, None].expand(-1, prediction.class_logits.shape[1], -1)
    # As in the public code, in float32 where the rest is half: the pixels' terms cancel in the difference.
    with torch.autocast(labels.device.type, enabled=False):
        probabilities = prediction.class_logits.float().softmax(-1).gather(2, labels)
        logits, masks = prediction.mask_logits.float().flatten(2), instances.masks.flatten(2)
        return (
            weights.mask * pairwise_pixel_loss(logits, masks)
            - weights.dice * pairwise_dice_score(logits.sigmoid(), masks)
            - weights.classes * probabilities
        )


def output_costs(
    predictions: Sequence[Prediction], instances: Instances, weights: Mask2FormerLoss
) -> NDArray[np.float32]:
    """``match_costs`` of L outputs, (L, B, N, M), on the host: the one transfer."""
    costs: NDArray[np.float32] = (
        torch.stack([match_costs(output, instances, weights) for output in predictions]).cpu().numpy()
    )
    return costs


def match_outputs(
    predictions: Sequence[Prediction], instances: Instances, weights: Mask2FormerLoss
) -> list[list[Assignment]]:
    """Match each output's predictions in each of B frames on its own: lists of B assignments, on the host.

    Raises:
        FloatingPointError: the predictions are not finite.
    """
    costs = output_costs(predictions, instances, weights)
    return [solve_frames(output, instances.counts) for output in costs]


def join_outputs(predictions: Sequence[Prediction]) -> Prediction:
    """L outputs of N queries as one of L·N."""
    return Prediction(*(torch.cat(tensors, dim=1) for tensors in zip(*predictions)))


def split_outputs(joined: Prediction, outputs: int) -> list[Prediction]:
    """One output of L·N queries as L of N."""
    return [Prediction(*parts) for parts in zip(*(tensor.chunk(outputs, dim=1) for tensor in joined))]


def compute_losses(
    joined: Prediction,
    instances: Instances,
    matches: Sequence[Sequence[Assignment]],
    weights: Mask2FormerLoss,
) -> dict[str, Tensor]:
    """The weighted terms ``classes``, ``mask`` and ``dice`` of L outputs of B frames, (B, L) each.

    Mask terms are divided by the number of instances in the batch: an output's are summed over its frames.

    Args:
        joined: (B, L·N, C + 1) and (B, L·N, h, w); see ``join_outputs``.
        instances: of the B frames.
        matches: of each output, B assignments; every other query shows nothing.
        weights: of the terms.
    """
    outputs, class_logits = len(matches), joined.class_logits.float()
    batch, queries, classes = class_logits.shape
    pairs = join_matches(matches, queries // outputs, class_logits.device)
    labels = torch.full((batch, queries), classes - 1, device=class_logits.device)
    labels[pairs.frames, pairs.queries] = instances.labels[pairs.frames, pairs.instances]
    balance = class_logits.new_ones(classes)
    balance[classes - 1] = weights.no_object
    entropy = F.cross_entropy(class_logits.transpose(1, 2), labels, balance, reduction="none")
    # Each output has its own mean: over its queries, weighed.
    entropies, importances = (x.view(batch, outputs, -1).sum(2) for x in (entropy, balance[labels]))
    logits = joined.mask_logits[pairs.frames, pairs.queries].flatten(1).float()
    masks = instances.masks[pairs.frames, pairs.instances].flatten(1)
    count = instance_count(len(masks) // outputs, logits.device)
    places = pairs.frames * outputs + pairs.queries // (queries // outputs)

    def share(losses: Tensor) -> Tensor:
        summed = losses.new_zeros(batch * outputs).index_add(0, places, losses)
        return summed.view(batch, outputs) / count

    return {
        "classes": weights.classes * entropies / importances.sum(0),
        "mask": weights.mask * share(pixel_loss(logits, masks)),
        "dice": weights.dice * share(dice_loss(logits, masks)),
    }


def compute_terms(
    joined: Prediction,
    instances: Instances,
    matches: Sequence[Sequence[Assignment]],
    weights: Mask2FormerLoss,
) -> dict[str, Tensor]:
    """``compute_losses``, summed over outputs and frames."""
    losses = compute_losses(joined, instances, matches, weights)
    return {name: table.sum() for name, table in losses.items()}


def frame_terms(
    joined: Prediction, outputs: int, targets: Sequence[Target], weights: Mask2FormerLoss
) -> dict[str, Tensor]:
    """The summed terms of L outputs in B frames, each output matched on its own."""
    instances = pad_targets(targets)
    matches = match_outputs(split_outputs(joined, outputs), instances, weights)
    return compute_terms(joined, instances, matches, weights)
