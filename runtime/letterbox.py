"""The one resize rule: keep the aspect, pad right and bottom; and its inverse for masks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

STRIP = 36  # averaged rows at a time, so that their means stay in the core's own cache


@dataclass(frozen=True)
class Letterbox:
    """Where a source frame lies inside the network's input.

    Attributes:
        frame_size: (height, width) of the source frame.
        input_size: (height, width) of the network's input.
        content_size: (height, width) of the resized frame, in the upper left corner of the input.
    """

    frame_size: tuple[int, int]
    input_size: tuple[int, int]
    content_size: tuple[int, int]

    @classmethod
    def fit(cls, frame_size: tuple[int, int], input_size: tuple[int, int]) -> Letterbox:
        """The largest resize of the frame that keeps its aspect and fits into the input."""
        scale = min(input_size[0] / frame_size[0], input_size[1] / frame_size[1])
        height, width = (min(limit, max(1, round(n * scale))) for n, limit in zip(frame_size, input_size))
        return cls(frame_size, input_size, (height, width))

    def content_cells(self, stride: int) -> tuple[int, int]:
        """(rows, columns) of a stride-``stride`` map that see any of the frame; the rest sees padding."""
        return -(-self.content_size[0] // stride), -(-self.content_size[1] // stride)

    def cells_per_pixel(self, stride: int) -> tuple[float, float]:
        """Cells of a stride-``stride`` map for each source pixel, down and across."""
        return (
            self.content_size[0] / self.frame_size[0] / stride,
            self.content_size[1] / self.frame_size[1] / stride,
        )


class LetterboxResizer:
    """Resizes and pads frames of one size.

    Frames share their memory: made anew for each frame, planes and input take a third of the time.

    Attributes:
        planes: (3, height, width) uint8 RGB, the last frame's input without the padding.
    """

    def __init__(self, letterbox: Letterbox) -> None:
        self._input = np.zeros((1, 3, *letterbox.input_size), dtype=np.float32)
        (frame_height, frame_width), (height, width) = letterbox.frame_size, letterbox.content_size
        # Bilinear taps alone skip pixels of a large frame and alias. Whole-number area averaging first is
        # ten times cheaper than area averaging by 2.25, the factor of a 720p frame.
        factor = max(1, frame_height // height)
        averaged = (max(height, frame_height // factor), max(width, frame_width // factor))
        self._averaged = np.empty((*averaged, 3), dtype=np.uint8) if factor > 1 else None
        self._resized = np.empty((height, width, 3), dtype=np.uint8)
        self.planes = np.empty((3, height, width), dtype=np.uint8)

    def resize(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's input of one frame.

        Args:
            frame: (H, W, 3) uint8 RGB of the letterbox's frame size.

        Returns:
            (1, 3, input height, input width) float32 RGB in [0, 255], contiguous; the padding is 0. It holds
            this frame until the next one is resized.
        """
        if self._averaged is not None:
            frame = average(frame, self._averaged)
        cv2.split(_resize(frame, self._resized, cv2.INTER_LINEAR), list(self.planes))
        _, height, width = self.planes.shape
        self._input[0, :, :height, :width] = self.planes
        return self._input


def average(picture: NDArray[np.uint8], into: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Area averaging, (H, W, 3) uint8 into (h, w, 3) uint8; returns ``into``.

    OpenCV averages by 2 in vector instructions, by 3, of a 1080p frame, in others: 2.7 ms. A box filter and
    every third of its pixels are the same means in 1.4. No mean of 9 lies halfway between two whole numbers,
    about which the two would differ.
    """
    rows, columns = into.shape[:2]
    if picture.shape[:2] != (3 * rows, 3 * columns):
        return _resize(picture, into, cv2.INTER_AREA)
    means = np.empty((3 * min(STRIP, rows), 3 * columns, 3), dtype=np.uint8)
    for start in range(0, rows, STRIP):
        strip = picture[3 * start : 3 * (start + STRIP)]
        # The edge's rule shows in no pixel that is taken.
        cv2.boxFilter(strip, -1, (3, 3), means[: len(strip)], (0, 0), borderType=cv2.BORDER_REPLICATE)
        _resize(means[: len(strip)], into[start : start + STRIP], cv2.INTER_NEAREST)
    return into


def _resize(picture: NDArray[np.uint8], into: NDArray[np.uint8], interpolation: int) -> NDArray[np.uint8]:
    cv2.resize(picture, (into.shape[1], into.shape[0]), dst=into, interpolation=interpolation)
    return into
