"""A panoptic truth and its answer, frame by frame: for VPQ and STQ.

PNG and JSON must agree on the ids of every frame, in both directions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobilevis.data.vipseg import VOID, PanopticFrame, PanopticVideo, read_ids
from mobilevis.runtime.errors import UserError

Ids = NDArray[np.integer]


@dataclass(frozen=True)
class SegmentArea:
    """A segment over one frame or many; its area in pixels is counted in the PNGs."""

    category_id: int
    area: int
    is_crowd: bool


SegmentAreas = dict[int, SegmentArea]


@dataclass(frozen=True)
class FramePair:
    """One frame of truth and prediction: the segments and {(true id, predicted id): pixels}."""

    truth: SegmentAreas
    prediction: SegmentAreas
    overlaps: Mapping[tuple[int, int], int]


def joint_histogram(truth: Ids, prediction: Ids) -> dict[tuple[int, int], int]:
    """{(true label, predicted label): number of pixels} of two maps of one shape, labels below 2^31."""
    keys = (truth.astype(np.int64) << 32) | prediction.astype(np.int64)
    pairs, counts = np.unique(keys, return_counts=True)
    return dict(zip(zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist()), counts.tolist()))


def pair_frames(truth: PanopticVideo, prediction: PanopticVideo) -> list[FramePair]:
    """The frames of a video and of its answer, PNGs read and checked against their records.

    Raises:
        UserError: a PNG is missing, is no 8-bit RGB image, has another size than the truth's, or disagrees
            with its records.
    """
    return [_pair(*frames) for frames in zip(truth.frames, prediction.frames)]


def _pair(truth: PanopticFrame, prediction: PanopticFrame) -> FramePair:
    true_ids, predicted_ids = read_ids(truth.png), read_ids(prediction.png)
    if true_ids.shape != predicted_ids.shape:
        size = "x".join(map(str, true_ids.shape))
        raise UserError(f"the PNG is not {size}, as the truth is", prediction.png, "write it at that size")
    overlaps = joint_histogram(true_ids, predicted_ids)
    true_areas, predicted_areas = Counter[int](), Counter[int]()
    for (true_id, predicted_id), count in overlaps.items():
        true_areas[true_id] += count
        predicted_areas[predicted_id] += count
    for identity, segment in truth.segments.items():
        if segment.area not in (None, true_areas[identity]):
            raise _disagreement(truth, f"segment {identity} has not the area {segment.area} of its record")
    for identity in prediction.segments.keys() - predicted_areas.keys():
        raise _disagreement(prediction, f"segment {identity} is in the JSON and not in the PNG")
    return FramePair(_tubes(truth, true_areas), _tubes(prediction, predicted_areas), overlaps)


def _tubes(frame: PanopticFrame, areas: Counter[int]) -> SegmentAreas:
    for identity in areas.keys() - frame.segments.keys() - {VOID}:
        raise _disagreement(frame, f"segment {identity} is in the PNG and not in the JSON")
    return {
        identity: SegmentArea(segment.category_id, areas[identity], segment.is_crowd)
        for identity, segment in frame.segments.items()
    }


def _disagreement(frame: PanopticFrame, what: str) -> UserError:
    return UserError(what, frame.png, "make PNG and JSON agree")
