"""The foreground of masks: found once a frame, for all that is asked of it.

A mask is some hundred of 13,000 cells: what is asked of these alone costs little more than the asking.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.masks import Box, sigmoid


class Region(NamedTuple):
    """The cells of one mask, in a box of the grid.

    Attributes:
        top: first row.
        left: first column.
        bottom: the row after the last.
        right: the column after the last.
        mask: (bottom - top, right - left) bool.
        area: cells of the mask, 0 for an empty one.
    """

    top: int
    left: int
    bottom: int
    right: int
    mask: NDArray[np.bool_]
    area: int

    @property
    def box(self) -> Box:
        """Column, row, width and height."""
        return self.left, self.top, self.right - self.left, self.bottom - self.top

    def move(self, down: int, right: int, grid: tuple[int, int]) -> Region:
        """Moved by whole cells; what leaves the grid (rows, columns) is gone."""
        y0, x0, y1, x1 = self.top + down, self.left + right, self.bottom + down, self.right + right
        if y0 >= 0 and x0 >= 0 and y1 <= grid[0] and x1 <= grid[1]:
            return Region(y0, x0, y1, x1, self.mask, self.area)
        kept = self.mask[max(-y0, 0) : max(grid[0] - y0, 0), max(-x0, 0) : max(grid[1] - x0, 0)]
        top, left = max(y0, 0), max(x0, 0)
        area = int(np.count_nonzero(kept))
        return Region(top, left, top + kept.shape[0], left + kept.shape[1], kept, area)

    def iou(self, other: Region, least: float = 0.0) -> float:
        """Intersection over union in [0, 1]; 0 for two empty masks, and where it is less than ``least``."""
        y0, x0, y1, x1, mask, area = self
        v0, u0, v1, u1, others, other_area = other
        top, left, bottom, right = max(y0, v0), max(x0, u0), min(y1, v1), min(x1, u1)
        if top >= bottom or left >= right:
            return 0.0
        most, areas = min(area, other_area, (bottom - top) * (right - left)), area + other_area
        if not most or most / (areas - most) < least:  # whatever the box holds that both have
            return 0.0
        both = mask[top - y0 : bottom - y0, left - x0 : right - x0]
        both = both & others[top - v0 : bottom - v0, left - u0 : right - u0]
        shared = int(np.count_nonzero(both))
        return shared / (areas - shared)


class Foreground:
    """What one mask shows, and how surely.

    Args:
        logits: (h, w) float32 over the whole input, C-contiguous.
        above: (h, w) bool, those above the threshold.
        content: rows and columns without the padding.

    Attributes:
        region: the content's cells, in a tight box.
        cells: (F,) places in the whole grid, row by row, the padding's among them.
        probabilities: (F,) float32 of these.
    """

    def __init__(self, logits: Array, above: NDArray[np.bool_], content: tuple[int, int]) -> None:
        self.cells, self._is_inside = np.flatnonzero(above), slice(None)
        self._logits, width = logits, logits.shape[1]
        rows = self.cells // width
        columns = self.cells - rows * width
        if rows.size and (rows[-1] >= content[0] or columns.max() >= content[1]):
            self._is_inside = (rows < content[0]) & (columns < content[1])
            rows, columns = rows[self._is_inside], columns[self._is_inside]
        self._rows, self._columns = rows, columns
        if rows.size:
            top, left, bottom, right = (
                int(rows[0]),
                int(columns.min()),
                int(rows[-1]) + 1,
                int(columns.max()) + 1,
            )
            self.region = Region(top, left, bottom, right, above[top:bottom, left:right].copy(), len(rows))
        else:
            self.region = Region(0, 0, 0, 0, above[:0, :0], 0)

    @cached_property
    def probabilities(self) -> Array:
        """See the class."""
        return sigmoid(self._logits.reshape(-1)[self.cells])

    @cached_property
    def maskness(self) -> float:
        """Mean probability of the region's cells, SparseInst's rescoring factor; 0 for none."""
        area = self.region.area
        return float(self.probabilities[self._is_inside].sum()) / area if area else 0.0

    @cached_property
    def centre(self) -> tuple[float, float]:
        """The mean place (y, x) of the region's cells; (0, 0) for none."""
        area = max(self.region.area, 1)
        return int(self._rows.sum()) / area, int(self._columns.sum()) / area


def pool_features(features: Array, masks: Sequence[Foreground], grid: tuple[int, int]) -> Array:
    """What features show under each mask, beyond what they show on average.

    Args:
        features: (C, h, w) float32.
        masks: K.
        grid: (r·h, r·w), rows and columns of the masks' cells, r a whole number.

    Returns:
        (K, C) float32: the mean over the foreground, weighted by its probability, less the frame's mean; 0
        for a mask without foreground.
    """
    channels, height, width = features.shape
    flat, ratio = features.reshape(channels, height * width), grid[0] // height
    mean = flat @ np.full(height * width, 1.0 / (height * width), dtype=np.float32)
    pooled = np.zeros((len(masks), channels), dtype=np.float32)
    for row, mask in zip(pooled, masks):
        cells, weights = mask.cells, mask.probabilities
        if ratio > 1:
            coarse = cells // (grid[1] * ratio) * width + cells % grid[1] // ratio
            sums = np.bincount(coarse, weights, height * width)
            cells = np.flatnonzero(sums)
            weights = sums[cells].astype(np.float32)
        if cells.size:
            row[:] = flat[:, cells] @ weights / weights.sum() - mean
    return pooled
