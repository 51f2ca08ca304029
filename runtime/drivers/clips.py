"""The clip buffer of clip-level drivers: frames come one by one, the network takes T at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Optional, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Clip(Generic[Item]):
    """T successive frames of a video.

    Attributes:
        items: one for each frame, T in all; beyond the end of the video the last one repeats.
        first: index of the first frame in the video.
        new: positions in the clip whose results are owed: frames that no earlier clip held, no padding.
    """

    items: tuple[Item, ...]
    first: int
    new: range


class ClipBuffer(Generic[Item]):
    """Gathers clips of T frames that begin every ``stride`` frames; holds at most T frames.

    Args:
        length: T, frames of a clip.
        stride: frames from the start of a clip to the start of the next; None takes T, clips that do not
            overlap. Less than T shows the last T − stride frames of a clip to the next one again.

    Raises:
        ValueError: not 1 ≤ stride ≤ length.

    Example:
        >>> buffer = ClipBuffer[str](length=3)
        >>> [buffer.push(frame) for frame in "abcd"]
        [None, None, Clip(items=('a', 'b', 'c'), first=0, new=range(0, 3)), None]
        >>> buffer.flush()
        Clip(items=('d', 'd', 'd'), first=3, new=range(0, 1))
    """

    def __init__(self, length: int, stride: Optional[int] = None) -> None:
        self.length = length
        self.stride = length if stride is None else stride
        if not 1 <= self.stride <= length:
            raise ValueError(f"clips of {length} frames cannot begin every {self.stride} frames")
        self.reset()

    @property
    def delay(self) -> int:
        """Frames between a frame and its result at most: those of the first frame of the video."""
        return self.length - 1

    def reset(self) -> None:
        """Forget the video: the next item is frame 0 of another one."""
        self._items: list[Item] = []
        self._first = 0
        self._known = 0  # leading items that an earlier clip held

    def push(self, item: Item) -> Optional[Clip[Item]]:
        """Take the next frame; return the clip that it completes, if it does."""
        self._items.append(item)
        if len(self._items) < self.length:
            return None
        clip = Clip(tuple(self._items), self._first, range(self._known, self.length))
        del self._items[: self.stride]
        self._first += self.stride
        self._known = self.length - self.stride
        return clip

    def flush(self) -> Optional[Clip[Item]]:
        """The padded clip of the frames still owed at the end of the video, None if none is; then reset."""
        items, first, new = self._items, self._first, range(self._known, len(self._items))
        self.reset()
        if not new:
            return None
        return Clip(tuple(items + items[-1:] * (self.length - len(items))), first, new)


def frame_milliseconds(own: Mapping[str, float], clip: Mapping[str, float], frames: int) -> dict[str, float]:
    """A frame's stage times: its own stages, and an equal share of those of its clip.

    Args:
        own: stage → milliseconds of the frame alone, ``frame`` among them.
        clip: stage → milliseconds of the clip as a whole, ``frame`` among them.
        frames: results that the clip gives.
    """
    return {stage: own.get(stage, 0.0) + clip.get(stage, 0.0) / frames for stage in {**own, **clip}}
