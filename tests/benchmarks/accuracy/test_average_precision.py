"""Average precision on plain arrays: matching, ties, limits, interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.benchmarks.accuracy.average_precision import (
    Candidates,
    Floats,
    match,
    precision_recall,
    summarise,
)

RANGES = np.array([[0, 1e10], [0, 100], [100, 200], [200, 1e10]])


def candidates(
    iou: Sequence[Sequence[float]],
    scores: Sequence[float],
    areas: Optional[Sequence[float]] = None,
    truth_areas: Optional[Sequence[float]] = None,
    crowd: Sequence[bool] = (),
    ids: Sequence[int] = (),
) -> Candidates:
    n = len(iou[0]) if iou else len(truth_areas or [])
    table = np.array(iou, dtype=float).reshape(len(scores), n)
    return Candidates(
        np.array(scores, dtype=float),
        np.array(areas or [50] * len(scores), dtype=float),
        table,
        np.array(truth_areas or [50] * n, dtype=float),
        np.array(crowd or [False] * n),
        np.array(ids or range(1, n + 1)),
    )


def figures(*videos: Candidates) -> dict[str, float]:
    precision, recall = precision_recall([match(video, RANGES) for video in videos], len(RANGES))
    return summarise(precision[:, :, None], recall[:, None])


def test_precision_is_interpolated_at_101_recalls() -> None:
    """Right, wrong, right on two objects: precision 1 at 51 recalls up to 0.5, 2/3 at the 50 beyond."""
    got = figures(candidates([[1, 0], [0, 0], [0, 1]], [0.9, 0.8, 0.7]))
    assert got["AP"] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_an_object_never_found_costs_recall() -> None:
    got = figures(candidates([[1, 0]], [0.9]))
    assert (got["AP"], got["AR100"]) == (pytest.approx(51 / 101), 0.5)


def test_each_threshold_counts_alike() -> None:
    """IoU 0.72 passes 0.5, 0.55, 0.6, 0.65 and 0.7."""
    got = figures(candidates([[0.72]], [0.9]))
    assert (got["AP"], got["AP50"], got["AP75"]) == pytest.approx((0.5, 1.0, 0.0))


def test_an_iou_on_the_threshold_passes() -> None:
    assert figures(candidates([[0.5]], [0.9]))["AP50"] == pytest.approx(1.0)


def test_the_second_detection_of_an_object_is_wrong() -> None:
    got = match(candidates([[1.0], [1.0]], [0.6, 0.9]), RANGES)
    assert got.scores.tolist() == [0.9, 0.6]
    assert got.matched[0, 0].tolist() == [True, False]


def test_of_equal_scores_the_first_in_the_file_goes_first() -> None:
    got = match(candidates([[0.6, 0], [1, 0]], [0.5, 0.5]), RANGES)
    assert got.matched[0, 0].tolist() == [True, False]


def test_of_equal_overlaps_the_last_object_is_taken() -> None:
    """Both see object 1 and 2 alike; the first takes 2, so only the second may take 1."""
    got = match(candidates([[0.8, 0.8], [0.8, 0.0]], [0.9, 0.8]), RANGES)
    assert got.matched[0, 0].tolist() == [True, True]


def test_a_crowd_takes_many_and_counts_for_nothing() -> None:
    got = match(candidates([[0.9], [0.9]], [0.9, 0.8], crowd=[True]), RANGES)
    assert got.matched[0, 0].all()
    assert got.ignored[0, 0].all()
    assert got.positives[0] == 0
    assert figures(candidates([[0.9]], [0.9], crowd=[True]))["AP"] == -1.0


def test_an_object_goes_before_a_crowd_of_larger_overlap() -> None:
    got = match(candidates([[0.6, 0.9]], [0.9], crowd=[False, True]), RANGES)
    assert not got.ignored[0, 0].any()


def test_at_a_threshold_that_only_the_crowd_passes_the_detection_is_ignored() -> None:
    got = match(candidates([[0.6, 0.9]], [0.9], crowd=[False, True]), RANGES)
    assert got.ignored[0, 5].all()


def test_area_ranges_hold_both_ends() -> None:
    got = match(candidates([[1.0]], [0.9], areas=[100], truth_areas=[100]), RANGES)
    assert got.positives.tolist() == [1, 1, 1, 0]
    assert got.ignored[3].all()


def test_an_unmatched_detection_outside_the_range_is_ignored() -> None:
    got = match(candidates([[0.0]], [0.9], areas=[150]), RANGES)
    assert got.ignored[:, 0, 0].tolist() == [False, True, False, True]


def test_limits_hold_for_each_video() -> None:
    """Two videos, each with one object that only its second detection finds."""
    video = candidates([[0], [1]], [0.9, 0.8])
    got = figures(video, video)
    assert (got["AR1"], got["AR10"]) == (0.0, 1.0)


def test_the_hundred_and_first_detection_is_not_seen() -> None:
    got = figures(candidates([[0.0]] * 100 + [[1.0]], np.linspace(1, 0.5, 101).tolist()))
    assert got["AR100"] == 0.0


def test_annotation_id_zero_is_never_found_as_in_the_references() -> None:
    assert figures(candidates([[1.0]], [0.9], ids=[0]))["AP"] == 0.0


def test_without_detections_the_recall_is_zero() -> None:
    got = figures(candidates([], [], truth_areas=[50]))
    assert (got["AP"], got["AR100"], got["APl"]) == (0.0, 0.0, -1.0)


def test_without_videos_all_is_absent() -> None:
    assert set(figures().values()) == {-1.0}


tables = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.lists(st.floats(0, 1), min_size=n, max_size=n), min_size=1, max_size=8)
)


def distinct_scores(n: int) -> Floats:
    return np.linspace(0.9, 0.1, n)


@given(tables)
def test_figures_are_fractions_or_absent(iou: list[list[float]]) -> None:
    got = figures(candidates(iou, distinct_scores(len(iou)).tolist()))
    assert all(value == -1.0 or 0.0 <= value <= 1.0 for value in got.values())
    assert got["AR1"] <= got["AR10"] <= got["AR100"]


@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_results_does_not_matter(iou: list[list[float]], random: np.random.Generator) -> None:
    scores = distinct_scores(len(iou)).tolist()
    order = list(range(len(iou)))
    random.shuffle(order)
    shuffled = candidates([iou[i] for i in order], [scores[i] for i in order])
    assert figures(shuffled) == figures(candidates(iou, scores))


@given(tables)
def test_saying_everything_twice_never_helps(iou: list[list[float]]) -> None:
    """If a detection overlaps one object at most; else its copy might take another."""
    full = np.array(iou)
    table = np.where(np.arange(full.shape[1]) == full.argmax(axis=1)[:, None], full, 0.0)
    scores = distinct_scores(len(iou)).tolist()
    once = figures(candidates(table.tolist(), scores))
    twice = figures(candidates(table.tolist() * 2, scores * 2))
    assert twice["AP"] <= once["AP"] + 1e-12
