"""The foreground of masks: found once a frame, for all that is asked of it.

A mask is some hundred of 13,000 cells: what is asked of these alone costs little more than the asking.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        if y0 >= v1 or v0 >= y1 or x0 >= u1 or u0 >= x1:  # most pairs
            return 0.0
        top, left, bottom, right = max(y0, v0), max(x0, u0), min(y1, v1), min(x1, u1)
        most, areas = min(area, other_area, (bottom - top) * (right - left)), area + other_area
        if not most or most / (areas - most) < least:  # whatever the box holds that both have
            return 0.0
        both = mask[top - y0 : bottom - y0, left - x0 : right - x0]
        both = both & others[top - v0 : bottom - v0, left - u0 : right - u0]
        shared = int(np.count_nonzero(both))
        return shared / (areas - shared)


class Foreground(NamedTuple):
    """What one mask shows, and how surely.

    Attributes:
        region: the content's cells, in a tight box.
        centre: the mean place (y, x) of the region's cells; (0, 0) for none.
        maskness: mean probability of the region's cells, SparseInst's rescoring factor; 0 for none.
        cells: (F,) places in the whole grid, row by row, the padding's among them.
        probabilities: (F,) float32 of these.
    """

    region: Region
    centre: tuple[float, float]
    maskness: float
    cells: NDArray[np.intp]
    probabilities: Array


NOTHING = Foreground(
    Region(0, 0, 0, 0, np.zeros((0, 0), dtype=np.bool_), 0),
    (0.0, 0.0),
    0.0,
    np.zeros(0, dtype=np.intp),
    np.zeros(0, dtype=np.float32),
)


def find_foregrounds(logits: Array, threshold: float, content: tuple[int, int]) -> list[Foreground]:
    """What each of a frame's masks shows.

    All masks are looked through at once: of nine, NumPy's calls took longer than their work.

    Args:
        logits: (S, h, w) float32 over the whole input, C-contiguous.
        threshold: logit above which a cell is foreground.
        content: rows and columns without the padding.
    """
    count, height, width = logits.shape
    above = logits > threshold
    places = above.reshape(-1).nonzero()[0]
    probabilities = sigmoid(logits.reshape(-1)[places])
    lines = places // width  # rows of all masks, one below the other
    columns = places - lines * width
    ends = np.searchsorted(places, np.arange(count + 1) * (height * width)).tolist()
    shown = [
        (places[start:end] - k * height * width, probabilities[start:end])
        for k, (start, end) in enumerate(zip(ends, ends[1:]))
    ]
    inside = (columns < content[1]) & (lines % height < content[0])
    if not inside.all():
        lines, columns, probabilities = lines[inside], columns[inside], probabilities[inside]
        ends = np.searchsorted(lines, np.arange(count + 1) * height).tolist()
    found = [NOTHING._replace(cells=cells, probabilities=likely) for cells, likely in shown]
    held = [k for k in range(count) if ends[k] < ends[k + 1]]
    if not held:
        return found
    starts = [ends[k] for k in held]
    extents = [np.minimum.reduceat(columns, starts), np.maximum.reduceat(columns, starts) + 1]
    sums = [np.add.reduceat(lines, starts), np.add.reduceat(columns, starts)]
    for k, left, right, y, x in zip(held, *(each.tolist() for each in (*extents, *sums))):
        start, end, origin = ends[k], ends[k + 1], k * height
        area, top, bottom = end - start, int(lines[start]) - origin, int(lines[end - 1]) - origin + 1
        # A copy: a track keeps its region, but not all masks of the frame.
        region = Region(top, left, bottom, right, above[k, top:bottom, left:right].copy(), area)
        maskness = float(probabilities[start:end].sum()) / area
        found[k] = Foreground(region, ((y - origin * area) / area, x / area), maskness, *shown[k])
    return found


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
            lines = cells // grid[1]
            coarse = lines // ratio * width + (cells - lines * grid[1]) // ratio
            first = int(coarse[0]) // width * width if cells.size else 0  # no row above has any
            sums = np.bincount(coarse - first, weights)
            held = sums.nonzero()[0]
            cells, weights = held + first, sums[held].astype(np.float32)
        if cells.size:
            row[:] = flat.take(cells, axis=1) @ weights / weights.sum() - mean
    return pooled
