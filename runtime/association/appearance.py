"""Tracks that look alike, have one class and go on where they were; ours.

Kernels of a MobileInst with two decoder stages keep much of their query, whatever it shows. The mask features
under an object's mask show the object. Of 1,672 detections of trained weights in 16 procedural videos, the
likest in the next frame was the same object for 99.3 % by these, 96.1 % by the kernels; 15 frames later for
85 and 69 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.association import BIRTH_SCORE, KEEP_LOST_FRAMES, MATCH_SIMILARITY
from mobilevis.runtime.association.assignment import assign
from mobilevis.runtime.association.kernels import cosine, unit
from mobilevis.runtime.association.motion import find_centres, find_common_step, move_mask
from mobilevis.runtime.masks import mask_iou, sigmoid

CLASS_MEMORY = 0.9
PLACE_MEMORY = 0.9
PLACE_FRAMES = 10  # how long a track that is lost is looked for where it was, each frame with less weight


@dataclass
class AppearanceAssociation:
    """Gives identities to the objects of successive frames.

    The constants were chosen by a search on 56 procedural videos (`docs/training.md`).

    Attributes:
        match_similarity: least similarity of a detection with its track: the cosine of their appearances, in
            [-1, 1], less what their classes differ by, plus the IoU with the track's last mask, moved on at
            the track's speed and with the camera, less of it for each frame since.
        birth_score: detections from this score on start tracks and teach them their appearance; fainter ones
            only go on with a track.
        keep_lost: frames that a track survives without a detection.
        class_weight: of what the cosine of a detection's and its track's class scores lacks of 1.
        memory: weight of a track's appearance so far against the new one's.
    """

    match_similarity: float = MATCH_SIMILARITY.default
    birth_score: float = BIRTH_SCORE.default
    keep_lost: int = KEEP_LOST_FRAMES.default
    class_weight: float = 0.8
    memory: float = 0.7
    _tracks: list[_Track] = field(default_factory=list)
    _next_id: int = 1

    def update(
        self, appearances: NDArray[np.float32], class_scores: NDArray[np.float32], masks: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Identities and classes of a frame's detections.

        Args:
            appearances: (K, C) float32, see ``appearance``.
            class_scores: (K, L) float32 in [0, 1], of L classes.
            masks: (K, h, w) of the same frame, none empty.

        Returns:
            (K,) int64: identities from 1, never used twice; 0 for what is too faint to start a track. (K,)
            int64: the class index that the track's scores so far are highest for.
        """
        looks, scores = unit(appearances), class_scores.max(axis=1, initial=0.0)
        seen = [_Place(mask, centre) for mask, centre in zip(masks, find_centres(masks))]
        found = self._match(looks, class_scores, scores, seen)
        identities = np.zeros(len(masks), dtype=np.int64)
        classes = np.zeros(len(masks), dtype=np.int64)
        for detection, look in enumerate(looks):
            track, sure = found.get(detection), bool(scores[detection] >= self.birth_score)
            if track is None:
                if not sure:
                    continue
                track = self._start(look, class_scores.shape[1], seen[detection])
            track.see(class_scores[detection], look if sure else None, self.memory)
            identities[detection], classes[detection] = track.identity, track.class_scores.argmax()
        self._pass_frame({int(identity): place for identity, place in zip(identities, seen) if identity})
        return identities, classes

    def update_without_detections(self) -> None:
        """A frame passes that shows none of the tracks."""
        self._pass_frame({})

    def _pass_frame(self, places: Mapping[int, _Place]) -> None:
        for track in self._tracks:
            track.move(places.get(track.identity))
        self._tracks = [track for track in self._tracks if track.unseen <= self.keep_lost]

    def _match(
        self,
        looks: NDArray[np.float32],
        class_scores: NDArray[np.float32],
        scores: NDArray[np.float32],
        seen: Sequence[_Place],
    ) -> dict[int, _Track]:
        tracks = self._tracks
        if not tracks or not len(looks):
            return {}
        similarity = np.stack([track.appearance for track in tracks]) @ looks.T
        similarity -= self.class_weight * (
            1.0 - cosine(np.stack([t.class_scores for t in tracks]), class_scores)
        )
        similarity += self._overlap(similarity, seen)
        # A sure detection must not lose its track to a faint one on the same object.
        sureness = np.sqrt(np.array([track.score for track in tracks])[:, None] * scores[None])
        gain = np.where(similarity >= self.match_similarity, similarity * sureness, 0.0)
        return {int(column): tracks[row] for row, column in zip(*assign(gain)) if gain[row, column] > 0.0}

    def _overlap(self, likeness: NDArray[np.float32], seen: Sequence[_Place]) -> NDArray[np.float32]:
        """IoU of each track's last mask, moved on, with each detection's, (tracks, K); less of it, the longer
        ago that mask was seen."""
        overlap = np.zeros_like(likeness)
        rows = [row for row, track in enumerate(self._tracks) if track.unseen < PLACE_FRAMES]
        if not rows:
            return overlap
        recent = [self._tracks[row] for row in rows]
        steps = np.stack([track.velocity for track in recent])
        shown = [i for i, track in enumerate(recent) if not track.unseen]
        expected = np.stack([track.place.centre for track in recent]) + steps
        centres = np.stack([place.centre for place in seen])
        steps += find_common_step(likeness[rows][shown], expected[shown], centres)
        moved = np.stack([move_mask(track.place.mask, step) for track, step in zip(recent, steps)])
        weights = np.array([PLACE_MEMORY**track.unseen for track in recent], dtype=np.float32)
        overlap[rows] = weights[:, None] * mask_iou(moved, np.stack([place.mask for place in seen]))
        return overlap

    def _start(self, look: NDArray[np.float32], classes: int, place: _Place) -> _Track:
        track = _Track(self._next_id, look, np.zeros(classes, dtype=np.float32), place)
        self._tracks.append(track)
        self._next_id += 1
        return track


class _Place(NamedTuple):
    mask: NDArray[np.bool_]  # (h, w)
    centre: NDArray[np.float64]  # (y, x) in cells


@dataclass(eq=False)
class _Track:
    identity: int
    appearance: NDArray[np.float32]  # (C,), length 1
    class_scores: NDArray[np.float32]  # (L,), fading sums
    place: _Place  # where it was seen last
    score: float = 0.0  # the best so far
    unseen: int = 0  # frames
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))  # (y, x), cells a frame

    def see(
        self, class_scores: NDArray[np.float32], look: Optional[NDArray[np.float32]], memory: float
    ) -> None:
        """A frame shows the track with these scores; and, where the detection is sure, with this look."""
        self.class_scores = CLASS_MEMORY * self.class_scores + class_scores
        self.score = max(self.score, float(class_scores.max()))
        if look is not None:
            self.appearance = unit((memory * self.appearance + (1.0 - memory) * look)[None])[0]

    def move(self, place: Optional[_Place]) -> None:
        """The next frame shows the track here, or nowhere."""
        if place is None:
            self.velocity = np.zeros(2)
            self.unseen += 1
            return
        if not self.unseen:
            self.velocity = 0.5 * self.velocity + 0.5 * (place.centre - self.place.centre)
        self.place, self.unseen = place, 0


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
    foreground = logits > threshold
    weights = np.zeros_like(logits)
    weights[foreground] = sigmoid(logits[foreground])  # a twentieth of all cells
    if ratio > 1:
        weights = weights.reshape(count, height, ratio, width, ratio).sum(axis=(2, 4))
    weights = weights.reshape(count, height * width)
    cells = mask_features.reshape(channels, -1)
    mean = cells @ np.full(height * width, 1.0 / (height * width), dtype=np.float32)
    pooled = np.zeros((count, channels), dtype=np.float32)
    for row, own in zip(pooled, weights):
        held = np.flatnonzero(own > 0.0)
        if held.size:  # a third of the time of a product over all cells
            row[:] = cells[:, held] @ own[held] / own[held].sum() - mean
    return pooled
