"""Kernel association between keyframes: which kernel of this keyframe is which object of the last one.

The cosine of mask kernels says how alike two objects are (MobileInst §3.4). Three modes:

- ``slots``: linear assignment over all N kernels against the previous keyframe's, N fixed identities. It has
  no parameter and is the mode of reported AP.
- ``online``: ours, and labelled so: tracks are born from confident detections, survive K keyframes unseen,
  and are matched only where the cosine is high enough.
- ``appearance``: ours: tracks are followed by what the mask features show under their masks, and by overlap.
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
class AppearanceAssociation:
    """Tracks that look alike and lie where they lay; ours.

    Kernels of a MobileInst with two decoder stages keep much of their query, whatever it shows. The mask
    features under an object's mask show the object. Of 1,672 detections of trained weights in 16 procedural
    videos, the likest in the next frame was the same object for 99.3 % by these, 96.1 % by the kernels; 15
    frames later for 85 and 69 %.

    Attributes:
        match_similarity: least similarity of a detection with its track: the cosine of their appearances, in
            [-1, 1], plus the IoU with the track's last mask if the last frame showed it.
        keep_lost: keyframes that a track survives without a detection.
        memory: weight of a track's appearance so far against the new one's.
        decay: of a track's score in each keyframe; sure tracks choose first.
    """

    match_similarity: float = 0.6
    keep_lost: int = 30
    memory: float = 0.8
    decay: float = 0.9
    _tracks: list[_Track] = field(default_factory=list)
    _next_id: int = 1

    def update(
        self, appearances: NDArray[np.float32], scores: NDArray[np.float32], masks: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Identities of a keyframe's detections.

        Args:
            appearances: (K, C) float32, see ``appearance``.
            scores: (K,) float32 in [0, 1].
            masks: (K, h, w) of the same frame, none empty.

        Returns:
            (K,) int64: identities from 1, never used twice.
        """
        units = _unit(appearances)
        found = self._match(units, scores, masks)
        self.update_without_detections()
        identities = np.zeros(len(masks), dtype=np.int64)
        for detection, (unit, score) in enumerate(zip(units, scores)):
            track = found.get(detection) or self._start(unit)
            track.unseen, track.score = 0, max(track.score, float(score))
            mixed = self.memory * track.appearance + (1 - self.memory) * unit
            track.appearance = _unit(mixed[None])[0]
            identities[detection] = track.identity
        self.observe(identities, masks)
        return identities

    def update_without_detections(self) -> None:
        """A keyframe passes: tracks fade, are no longer shown, and are forgotten in the end."""
        for track in self._tracks:
            track.unseen, track.score, track.mask = track.unseen + 1, track.score * self.decay, None
        self._tracks = [track for track in self._tracks if track.unseen <= self.keep_lost]

    def observe(self, identities: NDArray[np.int64], masks: NDArray[np.bool_]) -> None:
        """Take note of where a frame shows the tracks: identities (K,) and masks (K, h, w)."""
        seen = {int(identity): mask for identity, mask in zip(identities, masks) if identity and mask.any()}
        for track in self._tracks:
            track.mask = seen.get(track.identity)

    def _match(
        self, units: NDArray[np.float32], scores: NDArray[np.float32], masks: NDArray[np.bool_]
    ) -> dict[int, _Track]:
        if not self._tracks or not len(units):
            return {}
        similarity = np.stack([track.appearance for track in self._tracks]) @ units.T
        visible = [row for row, track in enumerate(self._tracks) if track.mask is not None]
        last = [track.mask for track in self._tracks if track.mask is not None]
        if last:
            similarity[visible] += mask_iou(np.stack(last), masks)
        # A sure detection must not lose its track to a faint one on the same object.
        sureness = np.sqrt(np.array([track.score for track in self._tracks])[:, None] * scores[None])
        gain = np.where(similarity >= self.match_similarity, similarity * sureness, 0.0)
        pairs = np.stack(linear_sum_assignment(gain, maximize=True), axis=1).tolist()
        return {column: self._tracks[row] for row, column in pairs if gain[row, column] > 0.0}

    def _start(self, unit: NDArray[np.float32]) -> _Track:
        track = _Track(self._next_id, unit)
        self._tracks.append(track)
        self._next_id += 1
        return track


@dataclass(eq=False)
class _Track:
    identity: int
    appearance: NDArray[np.float32]
    score: float = 0.0
    mask: Optional[NDArray[np.bool_]] = None  # in the last frame; None where it showed nothing of the track
    unseen: int = 0


def appearance(
    mask_features: NDArray[np.float32], logits: NDArray[np.float32], threshold: float
) -> NDArray[np.float32]:
    """What the mask features show under each mask, beyond what they show on average.

    Args:
        mask_features: (C, h, w) float32.
        logits: (K, r·h, r·w) float32 mask logits, r a whole number.
        threshold: logit above which a cell is foreground.

    Returns:
        (K, C) float32: the mean over the foreground, weighted by its probability, less the frame's mean; 0
        for a mask without foreground.
    """
    channels, height, width = mask_features.shape
    count, ratio = len(logits), logits.shape[1] // height
    weights = np.where(logits > threshold, 1.0 / (1.0 + np.exp(-logits)), 0.0)
    weights = weights.reshape(count, height, ratio, width, ratio).sum(axis=(2, 4)).reshape(count, -1)
    cells = mask_features.reshape(channels, -1)
    total = weights.sum(axis=1, keepdims=True)
    pooled = weights @ cells.T / np.maximum(total, np.finfo(np.float32).tiny) - cells.mean(axis=1)
    return np.asarray(np.where(total > 0.0, pooled, 0.0), dtype=np.float32)


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.float32]:
    """IoU of all pairs: (n, h, w) and (m, h, w) → (n, m) in [0, 1]; 0 for two empty masks."""
    pixels = first.shape[1] * first.shape[2]
    a, b = (masks.reshape(len(masks), pixels).astype(np.float32) for masks in (first, second))
    product = a @ b.T
    union = a.sum(axis=1)[:, None] + b.sum(axis=1)[None] - product
    return np.asarray(product / np.maximum(union, 1.0), dtype=np.float32)
