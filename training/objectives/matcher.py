"""Bipartite matching of queries to annotated instances: one query for each instance (paper §3.6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from mobilevis.training.objectives.losses import pairwise_dice_score

# SparseInst's exponents: the match maximises Σ dice^0.8 · p^0.2.
DICE_EXPONENT = 0.8
CLASS_EXPONENT = 0.2


@dataclass(frozen=True)
class Target:
    """The instances of one frame.

    Attributes:
        labels: (M,) int64, class indices in [0, C).
        masks: (M, h, w) float32 in [0, 1], at the resolution of the predicted masks (a quarter of the frame).
        identities: (M,) int64, the same for an object in every frame of its video.
    """

    labels: Tensor
    masks: Tensor
    identities: Tensor

    def to(self, device: torch.device) -> Target:
        """The same instances on another device."""
        return Target(self.labels.to(device), self.masks.to(device), self.identities.to(device))


@dataclass(frozen=True)
class Assignment:
    """Which query predicts which instance of one frame.

    Attributes:
        queries: (K,) int64, query indices, ascending.
        instances: (K,) int64, indices into the frame's target; K = min(N, M).
    """

    queries: Tensor
    instances: Tensor


def match_quality(class_logits: Tensor, mask_logits: Tensor, target: Target) -> Tensor:
    """How well each query explains each instance: dice^0.8 · p^0.2.

    Args:
        class_logits: (N, C).
        mask_logits: (N, h, w).
        target: M instances.

    Returns:
        (N, M), in [0, 1], larger is better.
    """
    probabilities = class_logits.float().sigmoid()[:, target.labels]
    dice = pairwise_dice_score(mask_logits.float().sigmoid().flatten(1), target.masks.flatten(1))
    return dice.pow(DICE_EXPONENT) * probabilities.pow(CLASS_EXPONENT)


@torch.no_grad()
def match(class_logits: Tensor, mask_logits: Tensor, target: Target) -> Assignment:
    """The one-to-one assignment of largest total quality.

    Args:
        class_logits: (N, C).
        mask_logits: (N, h, w).
        target: M instances, M ≥ 0.

    Raises:
        FloatingPointError: the predictions are not finite, so that no assignment exists.
    """
    quality = match_quality(class_logits, mask_logits, target)
    if not bool(quality.isfinite().all()):
        raise FloatingPointError("the predictions are not finite")
    queries, instances = linear_sum_assignment(quality.cpu().numpy(), maximize=True)
    device = class_logits.device
    return Assignment(torch.as_tensor(queries, device=device), torch.as_tensor(instances, device=device))
