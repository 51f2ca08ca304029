"""Kernel association between keyframes: which kernel of this keyframe is which object of the last one.

The cosine of mask kernels says how alike two objects are (MobileInst §3.4). Two modes; a third one, which
does not compare kernels, is ``mobilevis.runtime.association.appearance``:

- ``slots``: linear assignment over all N kernels against the previous keyframe's, N fixed identities. It has
  no parameter and is the mode of reported AP.
- ``online``: ours, and labelled so: tracks are born from confident detections, survive K keyframes unseen,
  and are matched only where the cosine is high enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import TINY
from mobilevis.runtime.association import KEEP_LOST_KEYFRAMES, MATCH_COSINE
from mobilevis.runtime.association.assignment import assign

Kernels = NDArray[np.float32]


def cosine(a: Kernels, b: Kernels) -> NDArray[np.float32]:
    """Cosine similarity of all pairs: (n, D) and (m, D) → (n, m) in [-1, 1]; a zero row is like none."""
    return np.asarray(unit(a) @ unit(b).T, dtype=np.float32)


def unit(rows: Kernels) -> Kernels:
    """Rows (n, D) scaled to length 1; zero rows stay."""
    norms = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return rows / np.maximum(norms, TINY)


class KernelAssociation(Protocol):
    """Gives identities to the kernels of successive keyframes."""

    def update(self, kernels: Kernels, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Identities of this keyframe's kernels.

        Args:
            kernels: (N, D) float32.
            scores: (N,) float32 in [0, 1], best class score of each kernel.

        Returns:
            (N,) int64: identity from 1, or 0 for a kernel that is no object.
        """
        ...


@dataclass
class SlotAssociation:
    """N slots; a kernel takes over the slot of the kernel it is most like, all slots at once."""

    # Of length 1, as only directions are compared.
    _slots: Kernels = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    def update(self, kernels: Kernels, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """See ``KernelAssociation.update``; every kernel gets one of the identities 1 … N."""
        directions = unit(kernels)
        if self._slots.shape != kernels.shape:
            self._slots = directions
            return np.arange(1, len(kernels) + 1)
        slot, kernel = assign(self._slots @ directions.T)
        self._slots = directions[kernel]
        identities = np.empty(len(kernels), dtype=np.int64)
        identities[kernel] = slot + 1
        return identities


@dataclass
class OnlineAssociation:
    """Tracks with births and deaths.

    Attributes:
        new_score: a kernel is a detection from this score on.
        match_cosine: a detection continues a track from this cosine on.
        keep_lost: keyframes that a track survives without a detection.
    """

    new_score: float
    match_cosine: float = MATCH_COSINE.default
    keep_lost: int = KEEP_LOST_KEYFRAMES.default
    _ids: list[int] = field(default_factory=list)
    _kernels: list[Kernels] = field(default_factory=list)
    _unseen: list[int] = field(default_factory=list)
    _next_id: int = 1

    def update(self, kernels: Kernels, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """See ``KernelAssociation.update``; identities are never used twice."""
        identities = np.zeros(len(kernels), dtype=np.int64)
        detections = np.flatnonzero(scores >= self.new_score)
        self._unseen = [n + 1 for n in self._unseen]
        if self._ids and detections.size:
            similarity = cosine(np.stack(self._kernels), kernels[detections])
            # A pair below the bar must not hold a detection back from its own track.
            similarity = np.where(similarity >= self.match_cosine, similarity, -2.0)
            for track, column in zip(*assign(similarity)):
                if similarity[track, column] >= self.match_cosine:
                    self._see(track, kernels[detections[column]])
                    identities[detections[column]] = self._ids[track]
        for detection in detections[identities[detections] == 0]:
            identities[detection] = self._next_id
            self._ids.append(self._next_id)
            self._kernels.append(kernels[detection].copy())
            self._unseen.append(0)
            self._next_id += 1
        self._forget()
        return identities

    def _see(self, track: int, kernel: Kernels) -> None:
        self._kernels[track] = kernel.copy()
        self._unseen[track] = 0

    def _forget(self) -> None:
        kept = [i for i, unseen in enumerate(self._unseen) if unseen <= self.keep_lost]
        self._ids = [self._ids[i] for i in kept]
        self._kernels = [self._kernels[i] for i in kept]
        self._unseen = [self._unseen[i] for i in kept]
