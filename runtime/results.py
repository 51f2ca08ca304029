"""What the runtime returns for a frame: validated instances with identities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


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
    box_mask: Mask
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


@dataclass(frozen=True)
class FrameResult:
    """The instances of one frame.

    Attributes:
        frame_index: from 0.
        frame_size: (height, width) of the source frame.
        instances: by falling score.
        is_keyframe: whether kernels were computed on this frame, or reused.
        milliseconds: stage → wall-clock milliseconds.
    """

    frame_index: int
    frame_size: tuple[int, int]
    instances: tuple[Instance, ...]
    is_keyframe: bool
    milliseconds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = [instance.track_id for instance in self.instances]
        if len(set(ids)) != len(ids):
            raise ValueError(f"frame {self.frame_index}: track ids {ids} repeat")
        if any(instance.frame_size != self.frame_size for instance in self.instances):
            raise ValueError(f"frame {self.frame_index}: an instance has another frame size")
