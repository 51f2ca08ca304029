"""The terms of MobileInst's training loss (Eq. 3), as plain functions of logits and targets.

The forms are SparseInst's, which the paper takes over (§3.6): sigmoid focal loss for classes, dice with
squared denominators plus pixel binary cross-entropy for masks, and an objectness that learns the mask's IoU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# SparseInst binarises masks at 0.4 when it computes the IoU that objectness learns.
IOU_MASK_THRESHOLD = 0.4
_DICE_EPSILON = 1e-4


def focal_loss(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sigmoid focal loss (Lin et al., Eq. 5), summed over all elements.

    Args:
        logits: float tensor of any shape.
        targets: the same shape, 0 or 1.
        alpha: weight of positives; negatives weigh 1 − alpha.
        gamma: focusing power.

    Returns:
        A scalar sum; the caller divides by the number of instances.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    probability = logits.sigmoid()
    error = probability + targets - 2 * probability * targets
    weight = (1 - alpha) + (2 * alpha - 1) * targets
    return (weight * error.pow(gamma) * cross_entropy).sum()


def dice_score(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Dice of each row with squared denominators: 2·Σpt / (Σp² + Σt²), in [0, 1].

    Args:
        probabilities: (K, P), in [0, 1].
        targets: (K, P), in [0, 1].

    Returns:
        (K,)
    """
    overlap = 2 * (probabilities * targets).sum(1)
    return overlap / (probabilities.square().sum(1) + targets.square().sum(1) + _DICE_EPSILON)


def pairwise_dice_score(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Dice of every row of one with every row of the other, as one matrix product.

    Args:
        probabilities: (…, N, P), in [0, 1].
        targets: (…, M, P), in [0, 1].

    Returns:
        (…, N, M)
    """
    overlap = 2 * probabilities @ targets.transpose(-1, -2)
    squares = probabilities.square().sum(-1)[..., None] + targets.square().sum(-1)[..., None, :]
    return overlap / (squares + _DICE_EPSILON)


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """1 − dice of each mask: (K, P) logits and targets in [0, 1] to (K,)."""
    return 1 - dice_score(logits.sigmoid(), targets)


def pixel_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of each mask, averaged over its pixels: (K, P) and (K, P) to (K,)."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)


@torch.no_grad()
def mask_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """IoU of each binarised mask (σ ≥ 0.4) with its target (> 0.5): (K, P) and (K, P) to (K,).

    An empty prediction of an empty target scores 0.
    """
    predicted = logits.sigmoid() >= IOU_MASK_THRESHOLD
    actual = targets > 0.5
    intersection = (predicted & actual).sum(1)
    union = (predicted | actual).sum(1)
    return intersection / union.clamp(min=1)


def objectness_loss(logits: Tensor, ious: Tensor) -> Tensor:
    """Binary cross-entropy of objectness against the mask's IoU: (K,) and (K,) to (K,)."""
    return F.binary_cross_entropy_with_logits(logits, ious, reduction="none")
