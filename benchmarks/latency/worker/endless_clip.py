"""The first frames of a clip again and again, as one video that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.sources import Source, open_source

KEPT_FRAMES = 48  # some two seconds; at 640x360 they are 33 MB


class EndlessClip(Source):
    """The first frames of a clip, forth and back, so that nothing in it ever jumps.

    They are decoded once and kept: a decoder's own memory is none of the artefact's.

    Args:
        clip: what ``open_source`` takes.
        frames: how many frames the video has.

    Raises:
        UserError: the clip cannot be read.
    """

    def __init__(self, clip: str, frames: int) -> None:
        with open_source(clip) as source:
            self.name, self.fps, self.frame_count = source.name, source.fps, frames
            self._kept = list(islice(source, KEPT_FRAMES))

    def __iter__(self) -> Iterator[Image]:
        """Yield the frames, (H, W, 3) uint8 RGB."""
        return islice(cycle(self._kept + self._kept[-2:0:-1]), self.frame_count)
