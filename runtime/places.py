"""Where a dense model's objects are on the frames between keyframes, and their kernels with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime import cells
from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.assignment import assign_gains
from mobilevis.runtime.association.camera_motion import CameraMotion
from mobilevis.runtime.association.regions import Region

LEAST_OBJECTNESS = 0.2  # of a cell that may show where an object went; at 0.1 a crowd loses 1 % of IoU
LEAST_IOU = 0.3  # of an object's new box with its last one
NMS_IOU = 0.65  # of boxes that are one object's, whatever their classes
# What a first look says of an object's size, and of the place of one that went with the camera, counts so
# much against what was expected: a mask's edges are in doubt.
LOOK_WEIGHT = 0.35


class PlacedKernels:
    """What the last keyframe chose, by falling score, and where it is now.

    A frame's own boxes say where an object went; one that the detector misses goes on with its last mask.
    Kernels looked for where the last frame's mask was lag by a frame: in ten real clips a kernel eight
    frames old had an IoU of .55 with the fresh mask so, .92 with its place from the frame's boxes.

    Args:
        kernels: (S, D + 5).
        boxes: (S, 4), the detector's on the keyframe.
    """

    def __init__(self, kernels: Array, boxes: Array) -> None:
        self._kernels, self._keyframe_boxes = kernels, boxes
        self._boxes = boxes  # where they are on this frame
        # Boxes that the detector saw last, and tight boxes of the masks there and on the last frame.
        self._seen, self._start, self._last = boxes, boxes, boxes
        self._is_seen = np.ones(len(boxes), dtype=np.bool_)  # on this frame
        self._is_carried = np.zeros(len(boxes), dtype=np.bool_)  # by the camera, since the last frame

    def __len__(self) -> int:
        return len(self._kernels)

    def go_on(self, features: Mapping[str, Array]) -> None:
        """To the next frame, of which ``encode`` says the ``boxes`` and ``objectness``."""
        self._boxes = cells.move_boxes(self._seen, self._start, self._last)
        found, self._is_seen = find_boxes(self._boxes, features["boxes"][0], features["objectness"][0, :, 0])
        self._boxes = np.where(self._is_seen[:, None], found, self._boxes)

    def go_on_with(self, camera: Optional[CameraMotion], regions: Sequence[Region], stride: int) -> None:
        """To the next frame, which is propagated and has no boxes: objects go on with the camera, or stay.

        Args:
            camera: how it moved; None where that is not known.
            regions: S, of the last frame's masks.
            stride: pixels of the network's input that a mask's cell is wide and high.
        """
        self._is_seen = np.zeros(len(self), dtype=np.bool_)
        self._is_carried = np.zeros(len(self), dtype=np.bool_)
        if camera is not None:
            self._is_carried[:] = [camera.carries(region, stride) for region in regions]
            self._boxes = np.where(self._is_carried[:, None], camera.move_boxes(self._boxes), self._boxes)

    @property
    def kernels(self) -> Array:
        """(S, D + 5), each with the place of its object on this frame."""
        return cells.move_kernels(self._kernels, self._keyframe_boxes, self._boxes)

    def cut(self, logits: Array, edge: float) -> Array:
        """This frame's mask logits (S, h, w) without what lies outside the objects' boxes; ``edge`` is the
        logit above which a cell is foreground."""
        margins = np.where(self._is_seen, cells.BOX_MARGIN, cells.REUSED_MARGIN)
        return cells.cut_to_boxes(logits, self._boxes, margins, edge)

    def find_tight(
        self, logits: Array, edge: float, content: tuple[int, int]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Tight boxes (S, 4) of masks that are not cut yet, of what lies about the objects' boxes, and (S,)
        whether there is any: for looks, and on the keyframe, which they are compared with.

        Args:
            logits: (S, h, w), this frame's.
            edge: logit above which a cell is foreground.
            content: rows and columns without the padding.
        """
        margin = np.array(cells.LOOK_MARGIN)
        return cells.find_tight_boxes(logits, self._boxes, margin, edge, content)

    def look(self, tight: Array, held: NDArray[np.bool_]) -> None:
        """A first look at the masks of a frame without boxes, before they are made anew: an object that went
        its own way is where its mask is, one that went with the camera is nearer to it; one whose mask is
        empty is where it was expected.
        """
        moved = cells.move_boxes(self._seen, self._start, tight)
        centres, sides = _measure(self._boxes)
        moved_centres, moved_sides = _measure(moved)
        weights = np.where(self._is_carried, LOOK_WEIGHT, 1.0)[:, None]
        centres += weights * (moved_centres - centres)
        sides += LOOK_WEIGHT * (moved_sides - sides)
        nearer = np.hstack([centres - sides / 2.0, centres + sides / 2.0]).astype(np.float32)
        self._boxes = np.where(held[:, None], nearer, self._boxes)

    def see(self, tight: Array, held: NDArray[np.bool_]) -> None:
        """This frame's masks: their tight boxes (S, 4), and (S,) whether they have any cell; an empty one
        leaves its object where it was."""
        self._last = np.where(held[:, None], tight, np.where(self._is_seen[:, None], self._boxes, self._last))
        self._seen = np.where(self._is_seen[:, None], self._boxes, self._seen)
        self._start = np.where(self._is_seen[:, None], self._last, self._start)


def _measure(boxes: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres and sides (S, 2) of boxes (S, 4)."""
    low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    return (low + high) / 2.0, high - low


def find_boxes(places: Array, boxes: Array, objectness: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The boxes of a frame that continue those of the frame before.

    Args:
        places: (S, 4), where the objects were.
        boxes: (A, 4), of the frame's cells.
        objectness: (A,) in [0, 1].

    Returns:
        (S, 4) boxes, and (S,) whether an object has one; no two have the same.
    """
    candidates = np.flatnonzero(objectness >= LEAST_OBJECTNESS)
    overlap = cells.box_ious(places, boxes[candidates])
    near = np.flatnonzero((overlap >= LEAST_IOU).any(axis=0))
    near = near[np.argsort(-objectness[candidates[near]], kind="stable")][: cells.MAX_CANDIDATES]
    near = near[cells.suppress(boxes[candidates[near]], NMS_IOU)]
    candidates, overlap = candidates[near], overlap[:, near]
    found, is_found = np.zeros_like(places), np.zeros(len(places), dtype=np.bool_)
    gain = np.where(overlap >= LEAST_IOU, overlap * np.sqrt(objectness[candidates]), 0.0)
    rows, columns = assign_gains(gain)
    found[rows], is_found[rows] = boxes[candidates[columns]], True
    return found, is_found
