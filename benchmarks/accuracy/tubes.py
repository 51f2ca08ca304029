"""Overlap of tubes: the masks of one object over the frames of a video, compared as runs, never as pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime import rle

Ints = NDArray[np.int64]
Runs = tuple[Ints, Ints]  # starts and ends of the foreground, in column-major pixel positions


@dataclass(frozen=True)
class Tube:
    """The foreground runs of each frame; None where the object has no segmentation."""

    frames: tuple[Optional[Runs], ...]

    @cached_property
    def areas(self) -> Ints:
        """Pixels in each frame; 0 without a segmentation."""
        return np.array([0 if runs is None else int(np.sum(runs[1] - runs[0])) for runs in self.frames])


def make_tube(segmentations: Sequence[Optional[Mapping[str, Any]]]) -> Tube:
    """Unpack one RLE or null for each frame.

    Raises:
        ValueError: an RLE is malformed.
    """
    return Tube(tuple(None if item is None else rle.foreground(item) for item in segmentations))


def mean_area(areas: Sequence[Optional[float]]) -> float:
    """Mean over the frames with an area that is neither null nor zero; 0 if there is none."""
    seen = [area for area in areas if area]
    return float(np.mean(seen)) if seen else 0.0


def tube_iou(detections: Sequence[Tube], truths: Sequence[Tube]) -> NDArray[np.float64]:
    """IoU of tubes of one video, (D, G): Σ intersection / Σ union over its frames; 0 where both are empty."""
    overlap = np.zeros((len(detections), len(truths)), dtype=np.int64)
    for frame in range(len(truths[0].frames) if truths else 0):
        present = [(index, tube.frames[frame]) for index, tube in enumerate(detections)]
        runs = [(index, found) for index, found in present if found is not None]
        if not runs:
            continue
        owner = np.repeat([index for index, _ in runs], [starts.size for _, (starts, _) in runs])
        starts = np.concatenate([starts for _, (starts, _) in runs])
        ends = np.concatenate([ends for _, (_, ends) in runs])
        for column, truth in enumerate(truths):
            foreground = truth.frames[frame]
            if foreground is not None:
                inside = _count_covered(foreground, ends) - _count_covered(foreground, starts)
                np.add.at(overlap[:, column], owner, inside)
    sizes = np.array([tube.areas.sum() for tube in detections], dtype=np.int64)[:, None]
    union = sizes + np.array([tube.areas.sum() for tube in truths], dtype=np.int64) - overlap
    return np.divide(overlap, union, out=np.zeros(overlap.shape), where=union > 0)


def _count_covered(foreground: Runs, positions: Ints) -> Ints:
    """Number of foreground pixels before each position."""
    starts, ends = foreground
    run = np.searchsorted(starts, positions, side="right")
    before = np.concatenate([[0], np.cumsum(ends - starts)])[run]
    return before - np.maximum(np.concatenate([[0], ends])[run] - positions, 0)
