"""Objects that keep their query for the whole of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray

from mobilevis.training.objectives.matcher import Assignment, Target, solve


def read_identities(targets: Sequence[Target]) -> list[list[int]]:
    """The identities that each frame shows, on the host: one transfer for all."""
    names = torch.cat([target.identities for target in targets]).tolist()
    ends = list(accumulate(len(target.labels) for target in targets))
    return [names[start:end] for start, end in zip([0, *ends], ends)]


class IdentityAssigner:
    """Gives each object of B clips a query for good.

    Args:
        batch: B.
    """

    def __init__(self, batch: int) -> None:
        self._queries: list[dict[int, int]] = [{} for _ in range(batch)]

    def assign(self, costs: NDArray[np.float32], identities: Sequence[Sequence[int]]) -> list[Assignment]:
        """The queries of the objects that a frame of each clip shows; new ones take free queries.

        Args:
            costs: (B, N, M) on the host, of giving each query each instance; see ``match_costs``.
            identities: of each frame's instances, M or fewer.

        Raises:
            FloatingPointError: a cost is not finite.
        """
        return [_assign(*frame) for frame in zip(self._queries, costs, identities)]


def _assign(taken: dict[int, int], costs: NDArray[np.float32], identities: Sequence[int]) -> Assignment:
    new = [index for index, identity in enumerate(identities) if identity not in taken]
    if new:
        used = set(taken.values())
        free = [query for query in range(len(costs)) if query not in used]
        found = solve(costs[free][:, new])
        for query, index in zip(found.queries.tolist(), found.instances.tolist()):
            taken[identities[new[index]]] = free[query]
    pairs = sorted((taken[name], i) for i, name in enumerate(identities) if name in taken)
    queries, instances = zip(*pairs) if pairs else ((), ())
    return Assignment(torch.tensor(queries, dtype=torch.long), torch.tensor(instances, dtype=torch.long))
