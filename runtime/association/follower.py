"""What a driver that reuses kernels asks of an association: who is shown, and who is who."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Optional, Protocol

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array, Arrays
from mobilevis.runtime.association.camera_watch import CameraWatch
from mobilevis.runtime.association.regions import Foreground, find_foregrounds
from mobilevis.runtime.masks import Box
from mobilevis.runtime.stages import Stages


class Choice(Protocol):
    """Which queries a driver shows; ``mobilevis.runtime.drivers.frames.Selection`` is one."""

    def keep_classes(self, classes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each class index (S,) is wanted, (S,)."""
        ...

    def choose(self, scores: Array, wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Of N scores in [0, 1], and whether each may be shown: the indices to show, by falling score."""
        ...


@dataclass(frozen=True)
class Setting:
    """What a follower knows of the driver it works for.

    Attributes:
        choice: what may be shown.
        score_threshold: least score of what is shown, in [0, 1].
        same_object_iou: masks that overlap by so much are one object's, where the association fuses them.
        still_one_iou: and by so much, if they were one object's on the keyframe: as kernels are reused masks
            change, and one object would be two for a frame.
        class_weight: what an appearance loses where the classes are not alike at all.
        camera: watches the video, and is shown each frame before its masks are, which are expected where
            the picture moved to; None where objects go on at their speeds.
        embedding_weight: length of a kernel's embedding beside its mask's appearance, which has length 1; 0
            where kernels do not say who is who.
    """

    choice: Choice
    score_threshold: float
    same_object_iou: float
    still_one_iou: float
    class_weight: float
    camera: Optional[CameraWatch]
    embedding_weight: float


@dataclass(frozen=True)
class FrameMasks:
    """The masks of one frame, of the S ≥ 1 kernels that the last keyframe chose, in that order.

    Attributes:
        whole: (S, r·h, r·w) float32 logits, r a whole number; the input's padding among them.
        content: rows and columns of ``whole`` without the padding.
        mask_features: (1, C, h, w) float32 that they were made from.
        threshold: logit above which a cell is foreground.
    """

    whole: Array
    content: tuple[int, int]
    mask_features: Array
    threshold: float

    @property
    def logits(self) -> Array:
        """(S, *content) float32, without the padding."""
        rows, columns = self.content
        return self.whole[:, :rows, :columns]

    @cached_property
    def foregrounds(self) -> list[Foreground]:
        """What each of the S masks shows; looked for once."""
        return find_foregrounds(self.whole, self.threshold, self.content)


@dataclass(frozen=True)
class Tracked:
    """What a frame shows, one row for each mask.

    Attributes:
        ids: (R,) int64, from 1.
        classes: (R,) int64, class indices.
        scores: (R,) float32 in [0, 1].
        logits: R, each (*content) float32 mask logits.
        boxes: R, column, row, width and height of cells that hold each mask's foreground; None where they
            are still to be found.
    """

    ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    scores: Array
    logits: Arrays
    boxes: Optional[list[Box]] = None


class Follower(Protocol):
    """Follows the objects of one video; the state between frames is the follower's."""

    def on_keyframe(self, kernels: Array, class_scores: Array) -> NDArray[np.intp]:
        """Take a keyframe's kernels.

        Args:
            kernels: (N, D) float32.
            class_scores: (N, L) float32 in [0, 1].

        Returns:
            (S,) indices of the kernels to segment until the next keyframe, by falling score.
        """
        ...

    def on_masks(self, masks: FrameMasks, stages: Stages) -> Tracked:
        """Say what a frame's masks show; the time is booked on the stages ``association`` or ``masks``."""
        ...

    def on_no_masks(self) -> None:
        """A frame passes for which the last keyframe chose nothing."""
        ...
