"""Kernel association between keyframes: which kernel of this keyframe is which object of the last one.

The cosine of mask kernels says how alike two objects are (MobileInst §3.4). Three modes:

- ``slots``: linear assignment over all N kernels against the previous keyframe's, N fixed identities. It has
  no parameter and is the mode of reported AP.
- ``online``: ours, and labelled so: tracks are born from confident detections, survive K keyframes unseen,
  and are matched only where the cosine is high enough.
- ``overlap``: ours: tracks follow their masks, and come back by the cosine after they were lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Kernels = NDArray[np.float32]


def cosine(a: Kernels, b: Kernels) -> NDArray[np.float32]:
    """Cosine similarity of all pairs: (n, D) and (m, D) → (n, m) in [-1, 1]; a zero kernel is like none."""
    return np.asarray(_unit(a) @ _unit(b).T, dtype=np.float32)


def _unit(kernels: Kernels) -> Kernels:
    norms = np.linalg.norm(kernels, axis=1, keepdims=True)
    return kernels / np.maximum(norms, np.finfo(np.float32).tiny)


class Association(Protocol):
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

    _slots: Kernels = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    def update(self, kernels: Kernels, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """See ``Association.update``; every kernel gets one of the identities 1 … N."""
        if self._slots.shape != kernels.shape:
            self._slots = kernels.copy()
            return np.arange(1, len(kernels) + 1)
        slot, kernel = linear_sum_assignment(cosine(self._slots, kernels), maximize=True)
        self._slots = kernels[kernel]
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
    match_cosine: float = 0.5
    keep_lost: int = 10
    _ids: list[int] = field(default_factory=list)
    _kernels: list[Kernels] = field(default_factory=list)
    _unseen: list[int] = field(default_factory=list)
    _next_id: int = 1

    def update(self, kernels: Kernels, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """See ``Association.update``; identities are never used twice."""
        identities = np.zeros(len(kernels), dtype=np.int64)
        detections = np.flatnonzero(scores >= self.new_score)
        self._unseen = [n + 1 for n in self._unseen]
        if self._ids and detections.size:
            similarity = cosine(np.stack(self._kernels), kernels[detections])
            # A pair below the bar must not hold a detection back from its own track.
            similarity = np.where(similarity >= self.match_cosine, similarity, -2.0)
            pairs = np.stack(linear_sum_assignment(similarity, maximize=True), axis=1)
            for track, column in pairs.tolist():
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


@dataclass
class OverlapAssociation:
    """Tracks that follow their masks from frame to frame, and come back by their kernels; ours.

    Kernels of a MobileInst with two decoder stages keep much of their query, whatever it shows: an object
    that moves from one query's part of the frame to another's changes its identity under
    ``SlotAssociation``. Its mask still overlaps its last one.

    Attributes:
        match_iou: a detection continues a track that the last frame showed from this overlap on.
        duplicate_iou: a detection that overlaps a better one by as much is dropped.
        match_cosine: a detection without such a track takes up a lost one from this cosine on.
        keep_lost: keyframes that a track survives without a detection.
    """

    match_iou: float = 0.2
    duplicate_iou: float = 0.6
    match_cosine: float = 0.95
    keep_lost: int = 10
    _tracks: list[_Track] = field(default_factory=list)
    _next_id: int = 1

    def update(
        self, kernels: Kernels, scores: NDArray[np.float32], masks: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Identities of a keyframe's detections.

        Args:
            kernels: (K, D) float32.
            scores: (K,) float32 in [0, 1], falling. Of two detections on a track the better one continues it.
            masks: (K, h, w) of the same frame.

        Returns:
            (K,) int64: identity from 1, never used twice, or 0 for a duplicate or an empty mask.
        """
        kept = np.flatnonzero(masks.any(axis=(1, 2)))
        kept = kept[_not_duplicates(mask_iou(masks[kept], masks[kept]), self.duplicate_iou)]
        found: dict[int, _Track] = {}
        shown = [track for track in self._tracks if track.mask is not None]
        last = [track.mask for track in shown if track.mask is not None]
        overlap = mask_iou(np.stack(last), masks[kept]) if last else None
        self._match(shown, kept, overlap, scores[kept], self.match_iou, found)
        lost = [track for track in self._tracks if all(track is not other for other in found.values())]
        rest = np.array([k for k in kept if k not in found], dtype=np.int64)
        likeness = cosine(np.stack([t.kernel for t in lost]), kernels[rest]) if lost else None
        self._match(lost, rest, likeness, scores[rest], self.match_cosine, found)
        for detection in kept.tolist():
            if detection not in found:
                found[detection] = _Track(self._next_id)
                self._tracks.append(found[detection])
                self._next_id += 1
        self._remember(found, kernels)
        identities = np.zeros(len(kernels), dtype=np.int64)
        identities[list(found)] = [track.identity for track in found.values()]
        self.observe(identities, masks)
        return identities

    def observe(self, identities: NDArray[np.int64], masks: NDArray[np.bool_]) -> None:
        """Take note of where a frame shows the tracks: identities (K,) and masks (K, h, w)."""
        seen = {int(identity): mask for identity, mask in zip(identities, masks) if identity and mask.any()}
        for track in self._tracks:
            track.mask = seen.get(track.identity)

    @staticmethod
    def _match(
        tracks: list[_Track],
        detections: NDArray[np.int64],
        similarity: Optional[NDArray[np.float32]],
        scores: NDArray[np.float32],
        least: float,
        found: dict[int, _Track],
    ) -> None:
        if similarity is None or not similarity.size:
            return
        gain = np.where(similarity >= least, similarity * scores, 0.0)
        for row, column in zip(*linear_sum_assignment(gain, maximize=True)):
            if gain[row, column] > 0.0:
                found[int(detections[column])] = tracks[row]

    def _remember(self, found: dict[int, _Track], kernels: Kernels) -> None:
        for track in self._tracks:
            track.unseen += 1
        for detection, track in found.items():
            track.kernel, track.unseen = kernels[detection].copy(), 0
        self._tracks = [track for track in self._tracks if track.unseen <= self.keep_lost]


@dataclass(eq=False)
class _Track:
    identity: int
    kernel: Kernels = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    mask: Optional[NDArray[np.bool_]] = None  # in the last frame; None where it showed nothing of the track
    unseen: int = 0


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.float32]:
    """IoU of all pairs: (n, h, w) and (m, h, w) → (n, m) in [0, 1]; 0 for two empty masks."""
    pixels = first.shape[1] * first.shape[2]
    a, b = (masks.reshape(len(masks), pixels).astype(np.float32) for masks in (first, second))
    product = a @ b.T
    union = a.sum(axis=1)[:, None] + b.sum(axis=1)[None] - product
    return np.asarray(product / np.maximum(union, 1.0), dtype=np.float32)


def _not_duplicates(iou: NDArray[np.float32], limit: float) -> list[int]:
    """Indices that overlap no earlier kept one by ``limit`` or more."""
    kept: list[int] = []
    for index in range(len(iou)):
        if not any(iou[index, other] >= limit for other in kept):
            kept.append(index)
    return kept
