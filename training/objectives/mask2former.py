"""Mask2Former's training loss: match each layer's predictions to the instances, then weigh the terms.

Differs from the paper in two points. The mask losses cover every pixel of the quarter-resolution masks, where
Mask2Former samples 12,544 points of binary masks to save memory on larger images. And as these pixels hold
coverages, the dice loss has squared denominators: without the squares it is least for a mask of zeros and
ones, whose edges lie up to half a cell beside the object's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevis.models.minvis.minvis import Prediction
from mobilevis.training.objectives.base import LossWeights, sum_terms
from mobilevis.training.objectives.criterion import gather_masks, instance_count
from mobilevis.training.objectives.losses import dice_loss, pairwise_dice_score, pixel_loss
from mobilevis.training.objectives.matcher import Assignment, Target, assign


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
        mask_logits: (N, P).
        masks: (M, P), in [0, 1].

    Returns:
        (N, M)
    """
    as_foreground = F.softplus(-mask_logits) @ masks.T
    as_background = F.softplus(mask_logits) @ (1 - masks).T
    return (as_foreground + as_background) / masks.shape[1]


@torch.no_grad()
def match_costs(prediction: Prediction, target: Target, weights: Mask2FormerLoss) -> Tensor:
    """The cost (N, M) of giving each query each instance of one frame, less a constant: the loss's terms.

    Args:
        prediction: of one frame, (N, C + 1) and (N, h, w).
        target: M instances.
        weights: of the terms.
    """
    probabilities = prediction.class_logits.float().softmax(-1)[:, target.labels]
    logits, masks = prediction.mask_logits.float().flatten(1), target.masks.flatten(1)
    return (
        weights.mask * pairwise_pixel_loss(logits, masks)
        - weights.dice * pairwise_dice_score(logits.sigmoid(), masks)
        - weights.classes * probabilities
    )


def match_frames(
    prediction: Prediction, targets: Sequence[Target], weights: Mask2FormerLoss
) -> list[Assignment]:
    """Match each frame of a batch on its own.

    Raises:
        FloatingPointError: the predictions are not finite.
    """
    frames = (Prediction(*frame) for frame in zip(prediction.class_logits, prediction.mask_logits))
    return [assign(match_costs(frame, target, weights)) for frame, target in zip(frames, targets)]


def compute_losses(
    prediction: Prediction,
    targets: Sequence[Target],
    assignments: Sequence[Assignment],
    weights: Mask2FormerLoss,
) -> dict[str, Tensor]:
    """The weighted terms ``classes``, ``mask`` and ``dice`` of one layer's predictions.

    Mask terms are divided by the number of instances in the batch.

    Args:
        prediction: (B, N, C + 1) and (B, N, h, w).
        targets: B.
        assignments: B; every other query shows nothing.
        weights: of the terms.
    """
    class_logits = prediction.class_logits.float()
    nothing = class_logits.shape[-1] - 1
    labels = torch.full(class_logits.shape[:2], nothing, device=class_logits.device)
    for row, target, assignment in zip(labels, targets, assignments):
        row[assignment.queries] = target.labels[assignment.instances]
    balance = class_logits.new_ones(nothing + 1)
    balance[nothing] = weights.no_object
    logits, masks = gather_masks(prediction.mask_logits, targets, assignments)
    count = instance_count(len(masks), logits.device)
    return {
        "classes": weights.classes * F.cross_entropy(class_logits.transpose(1, 2), labels, balance),
        "mask": weights.mask * pixel_loss(logits, masks).sum() / count,
        "dice": weights.dice * dice_loss(logits, masks).sum() / count,
    }


def frame_terms(
    predictions: Sequence[Prediction], targets: Sequence[Target], weights: Mask2FormerLoss
) -> dict[str, Tensor]:
    """The summed terms of all layers' predictions of B frames, each layer matched on its own."""
    return sum_terms(
        [
            compute_losses(layer, targets, match_frames(layer, targets, weights), weights)
            for layer in predictions
        ]
    )
