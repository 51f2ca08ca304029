"""Which samples make up each step: a function of seed and iteration alone, so that a run can resume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


@dataclass(frozen=True, order=True)
class SampleKey:
    """One sample: the pass over the data (which seeds its augmentation) and its index in the data set."""

    epoch: int
    index: int


class BatchSampler(Sampler[list[SampleKey]]):
    """One process's share of every batch from ``start`` to ``iterations``.

    The data set is passed over in a new random order each epoch; batches run on across epochs. The joint
    batch of a step does not depend on the number of processes.

    Args:
        length: size of the data set.
        batch_size: samples of a step over all processes; a multiple of ``world_size``.
        iterations: steps of the whole run.
        seed: of the order.
        start: completed steps.
        rank: this process.
        world_size: number of processes.
        weights: how often each sample is drawn, ``length`` positive numbers; None passes over the set, each
            sample once an epoch.

    Raises:
        ValueError: the data set is empty, or the batch cannot be shared out evenly.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        iterations: int,
        seed: int,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        weights: Optional[NDArray[np.float64]] = None,
    ) -> None:
        if length < 1:
            raise ValueError("the data set has no samples")
        if batch_size % world_size:
            raise ValueError(f"a batch of {batch_size} cannot be shared evenly by {world_size} processes")
        self._length, self._batch_size, self._seed = length, batch_size, seed
        self._weights = weights
        self._range = range(start, iterations)
        self._share = range(rank, batch_size, world_size)

    def __len__(self) -> int:
        return len(self._range)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        order: Optional[tuple[int, NDArray[np.int64]]] = None
        for iteration in self._range:
            keys = []
            for place in self._share:
                epoch, position = divmod(iteration * self._batch_size + place, self._length)
                if order is None or order[0] != epoch:
                    order = (epoch, self._order(np.random.default_rng((self._seed, epoch))))
                keys.append(SampleKey(epoch, int(order[1][position])))
            yield keys

    def _order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        if self._weights is None:
            return rng.permutation(self._length)
        # One draw in each of ``length`` equal steps: every sample's count is within one of what it should be.
        steps = (np.arange(self._length) + rng.random()) / self._length
        edges = np.cumsum(self._weights) / self._weights.sum()
        drawn = np.minimum(np.searchsorted(edges, steps, side="right"), self._length - 1)
        return rng.permutation(drawn)
