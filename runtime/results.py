"""What the runtime returns for a frame: validated instances with identities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.errors import UserError, missing_extra

if TYPE_CHECKING:
    import supervision

    from mobilevis.runtime.colors import TrackColors

Mask = NDArray[np.bool_]

MAX_LISTED = 5  # instances in a repr


@dataclass(frozen=True)
class Instance:
    """One tracked object in one frame.

    The mask is held as the part inside its box: a full-frame mask of every object would cost the memory
    bandwidth of the frame once for each object.

    Attributes:
        track_id: identity, from 1, constant over the video.
        class_index: index into the artefact's classes, from 0.
        score: in [0, 1].
        box: (x0, y0, x1, y1), integer pixels of the source frame, x1 and y1 exclusive.
        box_mask: (y1 - y0, x1 - x0) bool.
        frame_size: (height, width) of the source frame.
    """

    track_id: int
    class_index: int
    score: float
    box: tuple[int, int, int, int]
    box_mask: Mask = field(repr=False)
    frame_size: tuple[int, int]

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        height, width = self.frame_size
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(f"box {self.box} is empty or leaves the frame of {height}x{width}")
        if self.box_mask.shape != (y1 - y0, x1 - x0) or self.box_mask.dtype != np.bool_:
            raise ValueError(f"mask {self.box_mask.shape} {self.box_mask.dtype} does not fill box {self.box}")
        if self.track_id < 1 or self.class_index < 0 or not 0.0 <= self.score <= 1.0:
            raise ValueError(
                f"track {self.track_id}, class {self.class_index}, score {self.score}: out of range"
            )

    @cached_property
    def area(self) -> int:
        """Number of mask pixels."""
        return int(np.count_nonzero(self.box_mask))

    def full_mask(self) -> Mask:
        """The mask in the source frame, (height, width) bool."""
        mask = np.zeros(self.frame_size, dtype=np.bool_)
        x0, y0, x1, y1 = self.box
        mask[y0:y1, x0:x1] = self.box_mask
        return mask


@dataclass(frozen=True, repr=False)
class FrameResult:
    """The instances of one frame.

    Attributes:
        frame_index: from 0.
        frame_size: (height, width) of the source frame.
        instances: by falling score.
        is_keyframe: whether kernels were computed on this frame, or reused.
        milliseconds: stage → wall-clock milliseconds.
        categories: name of each class index; empty where a driver answers without ``VideoSegmenter``.
    """

    frame_index: int
    frame_size: tuple[int, int]
    instances: tuple[Instance, ...]
    is_keyframe: bool
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    categories: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = [instance.track_id for instance in self.instances]
        if len(set(ids)) != len(ids):
            raise ValueError(f"frame {self.frame_index}: track ids {ids} repeat")
        if any(instance.frame_size != self.frame_size for instance in self.instances):
            raise ValueError(f"frame {self.frame_index}: an instance has another frame size")

    def __repr__(self) -> str:
        """One line: the frame, and of the first instances the track, class and score."""
        height, width = self.frame_size
        kind = ", keyframe" if self.is_keyframe else ""
        names = self._names()
        listed = [
            f"{item.track_id} {names[item.class_index]} {item.score:.2f}"
            for item in self.instances[:MAX_LISTED]
        ]
        more = len(self.instances) - len(listed)
        found = ", ".join(listed) + (f" and {more} more" if more else "") or "nothing"
        return f"<FrameResult {self.frame_index}, {height}x{width}{kind}: {found}>"

    def _names(self) -> Sequence[str]:
        """A name for each class index; numbers where there are no categories."""
        count = 1 + max((item.class_index for item in self.instances), default=0)
        return self.categories or [f"class {index}" for index in range(count)]

    @property
    def masks(self) -> Mask:
        """(K, height, width) bool in the source frame, made anew at each call."""
        masks = np.zeros((len(self.instances), *self.frame_size), dtype=np.bool_)
        for mask, instance in zip(masks, self.instances):
            x0, y0, x1, y1 = instance.box
            mask[y0:y1, x0:x1] = instance.box_mask
        return masks

    @property
    def boxes(self) -> NDArray[np.int64]:
        """(K, 4) int64: x0, y0, x1, y1 in pixels of the source frame, x1 and y1 exclusive."""
        return np.array([instance.box for instance in self.instances], dtype=np.int64).reshape(-1, 4)

    @property
    def track_ids(self) -> NDArray[np.int64]:
        """(K,) int64, from 1."""
        return np.array([instance.track_id for instance in self.instances], dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float32]:
        """(K,) float32 in [0, 1]."""
        return np.array([instance.score for instance in self.instances], dtype=np.float32)

    @property
    def class_names(self) -> NDArray[np.str_]:
        """(K,) str, from ``categories``.

        Raises:
            IndexError: the result has no categories.
        """
        return np.array([self.categories[item.class_index] for item in self.instances], dtype=np.str_)

    def plot(self, frame: Image, colors: Optional[TrackColors] = None) -> Image:
        """A copy of the frame with masks, outlines and labels.

        Args:
            frame: (height, width, 3) uint8 RGB, the one that the result is of.
            colors: one ``TrackColors`` for all frames of a video keeps tracks on screen together unlike; None
                colours each track by its number alone, unless two of this frame would be alike.

        Raises:
            UserError: the frame has another size.
        """
        # Drawing needs results, so results learn of it only here.
        from mobilevis.runtime.draw import draw_result

        if frame.shape[:2] != self.frame_size:
            sizes = (f"{height}x{width}" for height, width in (frame.shape[:2], self.frame_size))
            raise UserError("the frame is {}, the result's {}".format(*sizes), fix="give the result's frame")
        return draw_result(frame, self, self._names(), colors)

    def to_supervision(self) -> supervision.Detections:
        """The instances for supervision's annotators, zones and metrics.

        Returns:
            ``xyxy`` (K, 4) float32, x1 and y1 exclusive; ``mask`` (K, height, width) bool; ``confidence``
            (K,) float32; ``class_id`` (K,) int64, class indices from 0; ``tracker_id`` (K,) int64, from 1;
            and ``data["class_name"]`` (K,) str where the result has categories.

        Raises:
            UserError: supervision is not installed.
        """
        try:
            from supervision import Detections
        except ModuleNotFoundError as error:
            raise missing_extra("supervision", "supervision") from error
        return Detections(
            xyxy=self.boxes.astype(np.float32),
            mask=self.masks,
            confidence=self.scores,
            class_id=np.array([item.class_index for item in self.instances], dtype=np.int64),
            tracker_id=self.track_ids,
            data={"class_name": self.class_names} if self.categories else {},
        )
