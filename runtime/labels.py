"""Labels on a picture that do not cover each other."""

from __future__ import annotations

from typing import Optional

import cv2
import numpy as np

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.colors import Color

FONT = cv2.FONT_HERSHEY_SIMPLEX
CELL = 4  # pixels: places are looked for on a grid, which a label's rectangle is rounded up to
MARGIN = 2  # pixels around a text
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


class LabelLayer:
    """Writes labels onto one picture, each in the free place nearest to where it is wished.

    Args:
        canvas: (H, W, 3) uint8 RGB, drawn into in place.
    """

    def __init__(self, canvas: Image) -> None:
        self._canvas = canvas
        height, width = canvas.shape[:2]
        self._scale = max(0.4, min(height, width) / 1000)
        self._taken = np.zeros((-(-height // CELL), -(-width // CELL)), dtype=np.uint8)

    def write(self, text: str, corner: tuple[int, int], color: Color) -> bool:
        """Write a text on a bar of the colour.

        Args:
            text: ASCII; OpenCV's fonts hold no more.
            corner: (x, y) of the lower left pixel that is wished for.
            color: RGB of the bar; the ink is black or white, which can be read on it.

        Returns:
            Whether there was room; without, nothing is drawn.
        """
        (width, height), base = cv2.getTextSize(text, FONT, self._scale, 1)
        width, height = width + 2 * MARGIN, height + base + 2 * MARGIN
        place = self._take((height, width), corner)
        if place is None:
            return False
        x, y = place
        cv2.rectangle(self._canvas, (x, y), (x + width - 1, y + height - 1), color, cv2.FILLED)
        origin = (x + MARGIN, y + height - base - MARGIN)
        cv2.putText(self._canvas, text, origin, FONT, self._scale, readable_ink(color), 1, cv2.LINE_AA)
        return True

    def _take(self, size: tuple[int, int], corner: tuple[int, int]) -> Optional[tuple[int, int]]:
        """(x, y) of the upper left pixel of the free place nearest to the wish, which is taken then."""
        rows, columns = (min(-(-side // CELL), full) for side, full in zip(size, self._taken.shape))
        sums = cv2.integral(self._taken)
        covered = (
            sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
        )
        y, x = np.nonzero(covered == 0)
        if not y.size:
            return None
        wished_x, wished_y = corner[0] / CELL, (corner[1] - size[0]) / CELL
        nearest = int(np.argmin((x - wished_x) ** 2 + (y - wished_y) ** 2))
        row, column = int(y[nearest]), int(x[nearest])
        self._taken[row : row + rows, column : column + columns] = 1
        return column * CELL, row * CELL


def readable_ink(color: Color) -> Color:
    """Black or white, whichever has the greater WCAG 2 contrast with a colour, all RGB."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in color)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # (L + 0.05) / 0.05 against 1.05 / (L + 0.05).
    return BLACK if (luminance + 0.05) ** 2 > 0.05 * 1.05 else WHITE
