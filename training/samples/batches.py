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
    ) -> None:
        if length < 1:
            raise ValueError("the data set has no samples")
        if batch_size % world_size:
            raise ValueError(f"a batch of {batch_size} cannot be shared evenly by {world_size} processes")
        self._length, self._batch_size, self._seed = length, batch_size, seed
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
                    order = (epoch, np.random.default_rng((self._seed, epoch)).permutation(self._length))
                keys.append(SampleKey(epoch, int(order[1][position])))
            yield keys
