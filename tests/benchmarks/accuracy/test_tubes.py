"""IoU of tubes, against the pixels themselves."""

from __future__ import annotations

from typing import Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mobilevis.benchmarks.accuracy.tubes import make_tube, mean_area, tube_iou
from mobilevis.runtime import rle

LENGTH = 3
masks = st.none() | hnp.arrays(bool, (4, 5))
videos = st.lists(st.lists(masks, min_size=LENGTH, max_size=LENGTH), min_size=1, max_size=3)
Masks = list[Optional[np.ndarray]]


def tube(frames: Masks) -> object:
    return make_tube([None if mask is None else rle.encode(mask) for mask in frames])


def pixels(frames: Masks) -> np.ndarray:
    return np.stack([np.zeros((4, 5), bool) if mask is None else mask for mask in frames])


@given(videos, videos)
def test_iou_is_that_of_the_stacked_masks(detections: list[Masks], truths: list[Masks]) -> None:
    got = tube_iou([tube(d) for d in detections], [tube(t) for t in truths])
    for row, detection in zip(got, detections):
        for value, truth in zip(row, truths):
            union = np.sum(pixels(detection) | pixels(truth))
            overlap = np.sum(pixels(detection) & pixels(truth))
            assert value == (overlap / union if union else 0.0)


def test_runs_of_length_zero_are_harmless() -> None:
    split = make_tube([{"size": [2, 3], "counts": [0, 1, 0, 2, 1, 0, 2]}])
    whole = make_tube([{"size": [2, 3], "counts": [0, 3, 3]}])
    assert tube_iou([split, whole], [split, whole]).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_no_tubes_have_no_overlaps() -> None:
    one = make_tube([None])
    assert tube_iou([], [one]).shape == (0, 1)
    assert tube_iou([one], []).shape == (1, 0)


def test_mean_area_leaves_out_frames_without_the_object() -> None:
    assert mean_area([None, 0, 10, 20]) == 15.0
    assert mean_area([None, 0]) == 0.0


def test_a_malformed_rle_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        make_tube([{"size": [2, 3], "counts": [0, 3]}])
