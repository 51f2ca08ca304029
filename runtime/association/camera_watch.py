"""One watch of a video's camera, whoever asks: a frame is shrunk once, and a step found once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from mobilevis.runtime.association.camera import Picture, Step, find_camera_step
from mobilevis.runtime.association.camera_motion import CameraMotion, Miniatures, find_camera_motion


@dataclass(frozen=True)
class FramePair:
    """A frame of a video beside one before it.

    Attributes:
        input_size: (height, width) of the network's input.
        before: what is left of the earlier frame; None where there is none.
        now: of the later one.
    """

    input_size: tuple[int, int]
    before: Optional[Miniatures]
    now: Miniatures

    @cached_property
    def step(self) -> Optional[Step]:
        """How far the picture moved, in pixels of the network's input; None where that is not told."""
        return None if self.before is None else find_camera_step(self.before.coarse, self.now.coarse)

    @cached_property
    def motion(self) -> Optional[CameraMotion]:
        """How it turned and zoomed, too; None where that is not told."""
        if self.before is None or self.step is None:
            return None
        return find_camera_motion(self.input_size, self.before, self.now, self.step)


class CameraWatch:
    """Watches a video for its camera.

    A frame costs nothing until something is asked of it. What is asked is since the last frame that anything
    was asked of.

    Args:
        input_size: (height, width) of the network's input.
        tells_motion: whether motions are asked for, or steps alone.
    """

    def __init__(self, input_size: tuple[int, int], tells_motion: bool) -> None:
        self._input_size, self._tells_motion = input_size, tells_motion
        self._picture: Optional[Picture] = None  # until it is looked at
        self._pair: Optional[FramePair] = None

    def show(self, picture: Picture) -> None:
        """The next frame, for ``look``.

        Args:
            picture: (H, W) in [0, 255], one colour, the network's input without its padding; its memory may
                be the next frame's, too.
        """
        self._picture = picture

    def look(self) -> FramePair:
        """The frame that was shown last, beside the one before it that was looked at."""
        if self._picture is not None:
            before = None if self._pair is None else self._pair.now
            self._pair = FramePair(self._input_size, before, Miniatures.of(self._picture, self._tells_motion))
            self._picture = None
        assert self._pair is not None
        return self._pair
