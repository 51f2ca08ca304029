"""What every driver offers."""

from __future__ import annotations

from typing import Any, Protocol

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.results import FrameResult


class Driver(Protocol):
    """Runs one video through an artefact; the state between frames is the driver's.

    A frame-level driver answers each frame at once; a clip-level one answers some frames later.
    """

    @property
    def options(self) -> Any:
        """Those that it runs with, an instance of its options class; the artefact's defaults filled in."""
        ...

    @property
    def delay(self) -> int:
        """Frames between a frame and its result; 0 for a frame-level driver."""
        ...

    @property
    def best_score(self) -> float:
        """The highest class score that the network gave, shown or not, of the classes to keep; in [0, 1].

        Of all videos so far; before the masks' quality lowers it. 0 where there was none.
        """
        ...

    def push(self, frame: Image) -> list[FrameResult]:
        """Take the next frame, (H, W, 3) uint8 RGB; return the results that are ready, in frame order."""
        ...

    def flush(self) -> list[FrameResult]:
        """The results still owed at the end of the video."""
        ...

    def reset(self) -> None:
        """Forget the video: the next frame is frame 0 of another one."""
        ...
