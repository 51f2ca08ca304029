"""Keyframes when they are needed: features that have moved on from the last keyframe's; ours.

A clock counts the frames on which the features of some cells differ from the last keyframe's, and a keyframe
is due when it reaches T: a scene that moves on every frame has a keyframe every T frames, as ``fixed`` has,
one that stands still has hardly any. What a still scene saves is spent once something moves, so that
keyframes then come faster than every T frames; up to any frame there are never more of them than ``fixed``
has.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array

Cells = NDArray[np.float64]  # (D, n), the features of n cells

# Chosen on procedural videos of seeds 3101 and 3102 (docs/keyframes.md).
GRID = 24  # cells that are looked at, along the longer side
# Distance of a cell's features from the last keyframe's, in spreads of the keyframe's cells, from which on it
# has moved. Of 288 cells of still videos whose sensor is noisy at most 1.1 % seemed to move, eleven frames
# later as one frame later; of moving ones 3 to 6 % after one frame and 16 to 24 % after three, by the median.
MOVED = 0.8
# Share of the cells that moved, up to which a frame counts as still, and from which on as one that moves.
STILL_SHARE, MOVING_SHARE = 0.01, 0.03
SAVED_INTERVALS = 4  # mean intervals' worth of keyframes that may be saved up


class Keyframe(NamedTuple):
    """What the last keyframe showed.

    Attributes:
        cells: its features.
        spread: root mean square distance of a cell's features from their mean.
    """

    cells: Cells
    spread: float


class DriftKeyframes:
    """See ``mobilevis.runtime.keyframes.Keyframes``.

    Args:
        interval: T ≥ 1, frames for each keyframe on average at least.
        longest_interval: frames after which a keyframe comes in any case, or 2T if that is more.
        shortest_interval: frames from a keyframe to the next at least.

    Raises:
        ValueError: the shortest interval is longer than the longest one.
    """

    reads_features = True

    def __init__(self, interval: int, longest_interval: int, shortest_interval: int) -> None:
        self._interval, self._shortest = interval, shortest_interval
        self._longest = max(longest_interval, 2 * interval)
        if shortest_interval > self._longest:
            raise ValueError(
                f"shortest_interval is {shortest_interval}, the longest interval {self._longest}"
            )
        self._age = self._longest  # frames since the last keyframe: the first frame is one
        self._saved = interval - 1  # frames' worth of keyframes not spent; a keyframe costs T
        self._clock = 0.0
        self._keyframe: Optional[Keyframe] = None

    def watch(self, features: Array) -> None:
        """See ``Keyframes``; the first features after a keyframe stand for it, where it gave none."""
        cells = sample_cells(features)
        if self._keyframe is None:
            self._keyframe = Keyframe(cells, find_spread(cells))
        else:
            self._clock += rate_motion(find_moved_share(cells, self._keyframe))

    def decide(self, features: Optional[Array] = None) -> bool:
        """See ``Keyframes``."""
        if features is not None:
            self.watch(features)
        self._age += 1
        self._saved = min(self._saved + 1, SAVED_INTERVALS * self._interval)
        if not self._is_due():
            return False
        self._age, self._saved, self._clock = 0, self._saved - self._interval, 0.0
        self._keyframe = None
        if features is not None:
            self.watch(features)
        return True

    def _is_due(self) -> bool:
        if self._saved < self._interval or self._age < self._shortest:
            return False
        # Who has saved m keyframes need not wait T frames that move but T / m.
        return self._age >= self._longest or self._clock * self._saved >= self._interval**2


def sample_cells(features: Array) -> Cells:
    """The features (D, h, w) of cells on a coarse grid, (D, n).

    All that a frame costs is 0.36 ms of one core so, where D is 256 and the input 320×640.
    """
    step = max(1, max(features.shape[1:]) // GRID)
    return features[:, ::step, ::step].reshape(len(features), -1).astype(np.float64)


def find_spread(cells: Cells) -> float:
    """Root mean square distance of the cells' features from their mean."""
    return float(np.sqrt(np.square(cells - cells.mean(axis=1, keepdims=True)).sum(axis=0).mean()))


def find_moved_share(cells: Cells, keyframe: Keyframe) -> float:
    """Which part of the cells has other features than on the keyframe, in [0, 1]."""
    distances = np.square(cells - keyframe.cells).sum(axis=0)
    return float(np.count_nonzero(distances > (MOVED * keyframe.spread) ** 2) / len(distances))


def rate_motion(share: float) -> float:
    """How much a frame of which this share of cells moved counts, in [0, 1]."""
    return min(max((share - STILL_SHARE) / (MOVING_SHARE - STILL_SHARE), 0.0), 1.0)
