"""The tracks of one video, a row each, so that all of them see a frame at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.kernels import unit
from mobilevis.runtime.association.regions import Foreground, Region

CLASS_MEMORY = 0.9

Rows = NDArray[np.intp]


@dataclass
class Tracks:
    """What is known of T tracks.

    Attributes:
        identities: (T,) from 1.
        appearances: (T, C) of length 1.
        class_scores: (T, L) fading sums.
        scores: (T,) the best so far.
        unseen: (T,) frames since each was seen last.
        centres: (T, 2) (y, x) in cells, where each was seen last.
        velocities: (T, 2) (y, x), cells a frame.
        places: T, what each showed when it was seen last.
    """

    identities: NDArray[np.int64]
    appearances: Array
    class_scores: Array
    scores: NDArray[np.float64]
    unseen: NDArray[np.int64]
    centres: NDArray[np.float64]
    velocities: NDArray[np.float64]
    places: list[Region]

    @classmethod
    def none(cls, channels: int, classes: int) -> Tracks:
        """No tracks yet, of C channels and L classes."""
        return cls(
            np.zeros(0, dtype=np.int64),
            np.zeros((0, channels), dtype=np.float32),
            np.zeros((0, classes), dtype=np.float32),
            np.zeros(0),
            np.zeros(0, dtype=np.int64),
            np.zeros((0, 2)),
            np.zeros((0, 2)),
            [],
        )

    def __len__(self) -> int:
        return len(self.places)

    def start(self, identities: NDArray[np.int64], looks: Array, masks: Sequence[Foreground]) -> None:
        """New tracks, that look so (R, C) and are here; they see this frame next."""
        count = len(identities)
        centres = np.array([mask.centre for mask in masks]).reshape(count, 2)
        self.places += [mask.region for mask in masks]
        self.identities = np.concatenate([self.identities, identities])
        self.appearances = np.concatenate([self.appearances, looks])
        self.class_scores = _grow(self.class_scores, count)
        self.scores, self.unseen = _grow(self.scores, count), _grow(self.unseen, count)
        self.centres, self.velocities = np.concatenate([self.centres, centres]), _grow(self.velocities, count)

    def forget(self, keep_lost: int) -> None:
        """Those that no frame has shown for more than ``keep_lost`` frames."""
        kept = np.flatnonzero(self.unseen <= keep_lost)
        if len(kept) == len(self):
            return
        self.identities, self.appearances = self.identities[kept], self.appearances[kept]
        self.class_scores, self.scores = self.class_scores[kept], self.scores[kept]
        self.unseen, self.centres = self.unseen[kept], self.centres[kept]
        self.velocities, self.places = self.velocities[kept], [self.places[row] for row in kept]

    def learn(self, rows: Rows, class_scores: Array) -> None:
        """A frame shows these tracks with these class scores (R, L)."""
        self.class_scores[rows] = CLASS_MEMORY * self.class_scores[rows] + class_scores
        self.scores[rows] = np.maximum(self.scores[rows], class_scores.max(axis=1, initial=0.0))

    def learn_looks(self, rows: Rows, looks: Array, memory: float) -> None:
        """A frame shows surely that these tracks look so, (R, C); ``memory`` weighs what they looked like."""
        self.appearances[rows] = unit(memory * self.appearances[rows] + (1.0 - memory) * looks)

    def pass_frame(self, rows: Rows, masks: Sequence[Foreground]) -> None:
        """The frame shows these tracks here, and the others nowhere."""
        centres = np.array([mask.centre for mask in masks]).reshape(len(rows), 2)
        steps = 0.5 * self.velocities[rows] + 0.5 * (centres - self.centres[rows])
        steps[self.unseen[rows] > 0] = 0.0  # where one comes back says nothing of its speed
        self.velocities[:], self.velocities[rows] = 0.0, steps
        self.unseen += 1
        self.unseen[rows], self.centres[rows] = 0, centres
        for row, mask in zip(rows.tolist(), masks):
            self.places[row] = mask.region


def _grow(values: NDArray[Any], count: int) -> NDArray[Any]:
    """With so many rows of zeros behind."""
    return np.concatenate([values, np.zeros((count, *values.shape[1:]), dtype=values.dtype)])
