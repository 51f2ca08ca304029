"""The one resize rule: keep the aspect, pad right and bottom; and its inverse for masks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


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

    def to_input(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Resize and pad one frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            (1, 3, input height, input width) float32 RGB in [0, 255], contiguous; the padding is 0.
        """
        height, width = self.content_size
        # Bilinear taps alone skip pixels of a large frame and alias. Whole-number area averaging first is
        # ten times cheaper than area averaging by 2.25, the factor of a 720p frame.
        factor = self.frame_size[0] // height
        if factor > 1:
            size = (max(width, self.frame_size[1] // factor), max(height, self.frame_size[0] // factor))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        tensor = np.zeros((1, 3, *self.input_size), dtype=np.float32)
        for channel, plane in enumerate(cv2.split(resized)):
            tensor[0, channel, :height, :width] = plane
        return tensor

    def content_cells(self, stride: int) -> tuple[int, int]:
        """(rows, columns) of a stride-``stride`` map that see any of the frame; the rest sees padding."""
        return -(-self.content_size[0] // stride), -(-self.content_size[1] // stride)

    def cells_per_pixel(self, stride: int) -> tuple[float, float]:
        """Cells of a stride-``stride`` map for each source pixel, down and across."""
        return (
            self.content_size[0] / self.frame_size[0] / stride,
            self.content_size[1] / self.frame_size[1] / stride,
        )
