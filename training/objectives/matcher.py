"""Annotated instances, and their bipartite matching to queries: one query for each instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

import numpy as np
import torch
from numpy.typing import NDArray
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


@dataclass(frozen=True)
class Assignment:
    """Which query predicts which instance.

    Attributes:
        queries: (K,) int64, query indices, ascending.
        instances: (K,) int64, indices into the target; K = min(N, M).
    """

    queries: Tensor
    instances: Tensor


class Instances(NamedTuple):
    """The instances of B frames, padded to the M of the frame that has most; what is padded is empty.

    Attributes:
        labels: (B, M) int64.
        masks: (B, M, h, w).
        counts: how many each frame has.
    """

    labels: Tensor
    masks: Tensor
    counts: tuple[int, ...]


class Pairs(NamedTuple):
    """Which query predicts which instance in a batch: K of each, (K,) int64."""

    frames: Tensor
    queries: Tensor
    instances: Tensor


def pad_targets(targets: Sequence[Target]) -> Instances:
    """The instances of B frames in two tensors."""
    counts = tuple(len(target.labels) for target in targets)
    most = max(counts)
    masks = torch.cat([target.masks for target in targets])
    labels = torch.cat([target.labels for target in targets])
    places = [frame * most + index for frame, count in enumerate(counts) for index in range(count)]
    rows = torch.tensor(places, dtype=torch.long, device=masks.device)

    def spread(values: Tensor) -> Tensor:
        padded = values.new_zeros(len(counts) * most, *values.shape[1:])
        return padded.index_copy(0, rows, values).view(len(counts), most, *values.shape[1:])

    return Instances(spread(labels), spread(masks), counts)


def join_matches(matches: Sequence[Sequence[Assignment]], queries: int, device: torch.device) -> Pairs:
    """The assignments of L outputs of N queries in B frames, from the host in one transfer.

    Returns:
        Pairs whose queries are of the outputs joined, in [0, L·N).
    """
    pairs = [
        Pairs(torch.full_like(found.queries, frame), found.queries + output * queries, found.instances)
        for output, frames in enumerate(matches)
        for frame, found in enumerate(frames)
    ]
    return Pairs(*torch.stack([torch.cat(indices) for indices in zip(*pairs)]).to(device))


def solve(costs: NDArray[np.float32], maximize: bool = False) -> Assignment:
    """The one-to-one assignment of least total cost (N, M), or of largest, on the host.

    Raises:
        FloatingPointError: a cost is not finite, so that no assignment exists.
    """
    if not np.isfinite(costs).all():
        raise FloatingPointError("the predictions are not finite")
    found = linear_sum_assignment(costs, maximize=maximize)
    return Assignment(*(torch.as_tensor(indices) for indices in found))


def solve_frames(costs: NDArray[np.float32], counts: Sequence[int]) -> list[Assignment]:
    """``solve`` for each of B frames, (B, N, M) of which ``counts`` says how many instances are there."""
    return [solve(frame[:, :count]) for frame, count in zip(costs, counts)]


@torch.no_grad()
def assign(costs: Tensor, maximize: bool = False) -> Assignment:
    """The one-to-one assignment of least total cost, where the costs are.

    Args:
        costs: (N, M), of giving each query each instance.
        maximize: the numbers are qualities: find the assignment of largest total.

    Raises:
        FloatingPointError: a cost is not finite, so that no assignment exists.
    """
    found = solve(costs.cpu().numpy(), maximize)
    return Assignment(found.queries.to(costs.device), found.instances.to(costs.device))


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
