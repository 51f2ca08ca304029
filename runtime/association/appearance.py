"""Tracks that look alike, have one class and go on where they were; ours.

Kernels of a MobileInst with two decoder stages keep much of their query, whatever it shows. The mask features
under an object's mask show the object. Of 1,672 detections of trained weights in 16 procedural videos, the
likest in the next frame was the same object for 99.3 % by these, 96.1 % by the kernels; 15 frames later for
85 and 69 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association import BIRTH_SCORE, KEEP_LOST_FRAMES, MATCH_SIMILARITY
from mobilevis.runtime.association.assignment import assign_gains
from mobilevis.runtime.association.camera import Step
from mobilevis.runtime.association.kernels import cosine, unit
from mobilevis.runtime.association.motion import find_common_step
from mobilevis.runtime.association.regions import Foreground
from mobilevis.runtime.association.tracks import Tracks

PLACE_FRAMES = 10  # how long a track that is lost is looked for where it was, each frame with less weight
# The weight after each number of frames.
PLACE_WEIGHTS = np.array([0.9**unseen for unseen in range(PLACE_FRAMES)] + [0.0], dtype=np.float32)


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
        follows_camera: whether tracks are expected where the picture moved to; otherwise they go on at their
            speeds.
        memory: weight of a track's appearance so far against the new one's.
    """

    match_similarity: float = MATCH_SIMILARITY.default
    birth_score: float = BIRTH_SCORE.default
    keep_lost: int = KEEP_LOST_FRAMES.default
    class_weight: float = 0.8
    follows_camera: bool = False
    memory: float = 0.7
    _tracks: Optional[Tracks] = None
    _next_id: int = 1

    def update(
        self,
        appearances: Array,
        class_scores: Array,
        masks: Sequence[Foreground],
        grid: tuple[int, int],
        pictured: Optional[Step] = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Identities and classes of a frame's detections.

        Args:
            appearances: (K, C) float32, see ``regions.pool_features``.
            class_scores: (K, L) float32 in [0, 1], of L classes.
            masks: K of the same frame, none empty.
            grid: rows and columns of cells that see the frame.
            pictured: cells (y, x) that the camera moved all by since the last frame, as the pictures say;
                None where they do not.

        Returns:
            (K,) int64: identities from 1, never used twice; 0 for what is too faint to start a track. (K,)
            int64: the class index that the track's scores so far are highest for.
        """
        looks, scores = unit(appearances), class_scores.max(axis=1, initial=0.0)
        if self._tracks is None:
            self._tracks = Tracks.none(looks.shape[1], class_scores.shape[1])
        tracks, is_sure = self._tracks, scores >= self.birth_score
        rows = self._match(tracks, looks, class_scores, scores, masks, grid, pictured)
        born = np.flatnonzero(is_sure & (rows < 0))
        if born.size:
            rows[born] = len(tracks) + np.arange(born.size)
            tracks.start(self._next_id + np.arange(born.size), looks[born], [masks[k] for k in born.tolist()])
            self._next_id += born.size
        shown, sure = np.flatnonzero(rows >= 0), np.flatnonzero(is_sure)
        seen = rows[shown]
        tracks.learn(seen, class_scores[shown])
        tracks.learn_looks(rows[sure], looks[sure], self.memory)
        identities, classes = np.zeros((2, len(rows)), dtype=np.int64)
        identities[shown], classes[shown] = tracks.identities[seen], tracks.class_scores[seen].argmax(axis=1)
        self._pass_frame(tracks, seen, [masks[k] for k in shown.tolist()])
        return identities, classes

    def update_without_detections(self) -> None:
        """A frame passes that shows none of the tracks."""
        if self._tracks is not None:
            self._pass_frame(self._tracks, np.zeros(0, dtype=np.intp), [])

    def _pass_frame(self, tracks: Tracks, seen: NDArray[np.intp], masks: Sequence[Foreground]) -> None:
        tracks.pass_frame(seen, masks)
        tracks.forget(self.keep_lost)

    def _match(
        self,
        tracks: Tracks,
        looks: Array,
        class_scores: Array,
        scores: Array,
        masks: Sequence[Foreground],
        grid: tuple[int, int],
        pictured: Optional[Step],
    ) -> NDArray[np.intp]:
        """The track of each detection, (K,); -1 for none."""
        found = np.full(len(looks), -1, dtype=np.intp)
        if not len(tracks) or not len(looks):
            return found
        similarity = tracks.appearances @ looks.T
        similarity -= self.class_weight * (1.0 - cosine(tracks.class_scores, class_scores))
        similarity += self._overlap(tracks, similarity, masks, grid, pictured)
        # A sure detection must not lose its track to a faint one on the same object.
        sureness = np.sqrt(tracks.scores[:, None] * scores)
        gain = np.where(similarity >= self.match_similarity, similarity * sureness, 0.0)
        rows, columns = assign_gains(gain)
        found[columns] = rows
        return found

    def _overlap(
        self,
        tracks: Tracks,
        likeness: Array,
        masks: Sequence[Foreground],
        grid: tuple[int, int],
        pictured: Optional[Step],
    ) -> Array:
        """IoU of each track's last mask, moved on, with each detection's, (T, K); less of it, the longer ago
        that mask was seen. 0 for pairs that no overlap would make alike enough."""
        weights = PLACE_WEIGHTS[np.minimum(tracks.unseen, PLACE_FRAMES)]
        own = tracks.velocities * (not self.follows_camera)
        shown = np.flatnonzero(tracks.unseen == 0)
        expected, centres = (tracks.centres + own)[shown].tolist(), [mask.centre for mask in masks]
        common = find_common_step(likeness[shown], expected, centres, pictured)
        steps = np.rint(own + common).astype(np.int64).tolist()
        moved = [place.move(down, right, grid) for place, (down, right) in zip(tracks.places, steps)]
        overlap = np.zeros_like(likeness)
        is_near = (likeness + weights[:, None] >= self.match_similarity) & (weights[:, None] > 0.0)
        rows, columns = (places.tolist() for places in is_near.nonzero())
        overlap[rows, columns] = [moved[row].iou(masks[k].region) for row, k in zip(rows, columns)]
        return weights[:, None] * overlap
