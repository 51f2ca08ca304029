"""Annotated instances, and their bipartite matching to queries: one query for each instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Target:
    """The instances of one frame.

    Attributes:
        labels: (M,) int64, class indices in [0, C).
        masks: (M, h, w) float32 in [0, 1], at the resolution of the predicted masks (a quarter of the frame).
        identities: (M,) int64, the same for an object in every frame of its video.
        labelled: (C,) bool, the classes of which every instance is here; None for all.
        crowd: (h, w) bool, where instances are that were not told apart; None for nowhere.
    """

    labels: Tensor
    masks: Tensor
    identities: Tensor
    labelled: Optional[Tensor] = None
    crowd: Optional[Tensor] = None

    def to(self, device: torch.device) -> Target:
        """The same instances on another device."""
        return Target(
            self.labels.to(device),
            self.masks.to(device),
            self.identities.to(device),
            None if self.labelled is None else self.labelled.to(device),
            None if self.crowd is None else self.crowd.to(device),
        )


@dataclass(frozen=True)
class Assignment:
    """Which query predicts which instance.

    Attributes:
        queries: (K,) int64, query indices, ascending.
        instances: (K,) int64, indices into the target; K = min(N, M).
    """

    queries: Tensor
    instances: Tensor


@torch.no_grad()
def assign(costs: Tensor, maximize: bool = False) -> Assignment:
    """The one-to-one assignment of least total cost.

    Args:
        costs: (N, M), of giving each query each instance.
        maximize: the numbers are qualities: find the assignment of largest total.

    Raises:
        FloatingPointError: a cost is not finite, so that no assignment exists.
    """
    if not bool(costs.isfinite().all()):
        raise FloatingPointError("the predictions are not finite")
    found = linear_sum_assignment(costs.cpu().numpy(), maximize=maximize)
    return Assignment(*(torch.as_tensor(indices, device=costs.device) for indices in found))


def match_slots(slots: Tensor, embeddings: Tensor) -> Tensor:
    """For each slot the query that is most like it, all slots at once.

    Args:
        slots: (B, N, D).
        embeddings: (B, N, D), of the queries.

    Returns:
        (B, N) int64, indices of queries.
    """
    cosines = F.normalize(slots, dim=-1) @ F.normalize(embeddings, dim=-1).transpose(1, 2)
    return torch.stack([assign(row, maximize=True).instances for row in cosines.detach()])
