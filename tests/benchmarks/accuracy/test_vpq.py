"""VPQ: small videos of one row of pixels, with answers found by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.benchmarks.accuracy.vpq import evaluate_vpq
from mobilevis.runtime.errors import UserError

from .vipseg import Frames, write

CLASSES = {10: 0, 20: 1, 21: 1, 22: 1, 30: 2, 31: 2}  # 10 is wall, 20 … cats, 30 … dogs
CAT_AND_WALL = [[20, 20, 20, 10, 10, 10]] * 6


def figures(tmp_path: Path, truth: Frames, prediction: Frames, **options: set[int]) -> dict[str, float]:
    return dict(evaluate_vpq(*write(tmp_path, truth, prediction, CLASSES, **options)).metrics)


def test_the_truth_scores_one(tmp_path: Path) -> None:
    assert set(figures(tmp_path, CAT_AND_WALL, CAT_AND_WALL).values()) == {1.0}


def test_a_changed_identity_costs_only_the_windows_that_see_it(tmp_path: Path) -> None:
    """The cat is 20 in three frames and 21 in three: one of five windows of 2 and all of 4 and 6 see both."""
    switched = [[20, 20, 20, 10, 10, 10]] * 3 + [[21, 21, 21, 10, 10, 10]] * 3
    got = figures(tmp_path, CAT_AND_WALL, switched)
    assert got["VPQ1"] == 1.0
    # k = 2: 4 matches of IoU 1; the fifth window has two halves, neither above 0.5: 2 FP and 1 FN.
    assert got["VPQ2"] == pytest.approx((4 / (4 + 1.5) + 1) / 2)
    # k = 4: three windows of 3+1, 2+2 and 1+3 frames: IoU 3/4, none, 3/4, with 1, 2 and 1 FP and 0, 1, 0 FN.
    assert got["VPQ4"] == pytest.approx((1.5 / (2 + 4 / 2 + 1 / 2) + 1) / 2)
    # k = 6: one window of 3+3 frames: no match.
    assert got["VPQ6"] == pytest.approx((0 + 1) / 2)
    assert got["VPQ"] == pytest.approx((got["VPQ1"] + got["VPQ2"] + got["VPQ4"] + got["VPQ6"]) / 4)
    assert got["VPQ_stuff"] == 1.0


def test_half_an_overlap_is_no_match(tmp_path: Path) -> None:
    truth = [[20, 20, 0, 0]] * 6
    assert figures(tmp_path, truth, [[20, 0, 0, 0]] * 6)["VPQ"] == 0.0


def test_void_pixels_are_left_out_of_the_union(tmp_path: Path) -> None:
    truth = [[20, 20, 0, 0, 0]] * 6
    assert figures(tmp_path, truth, [[20, 20, 20, 20, 0]] * 6)["VPQ"] == 1.0


def test_another_class_never_matches(tmp_path: Path) -> None:
    truth = [[20, 20]] * 6
    assert figures(tmp_path, truth, [[30, 30]] * 6)["VPQ"] == 0.0


@pytest.mark.parametrize(("covered", "false_positives"), [(3, 0), (2, 1)])
def test_a_false_positive_on_void_is_forgiven_above_one_half(
    tmp_path: Path, covered: int, false_positives: int
) -> None:
    """A second cat of four pixels, of which 2 or 3 lie on void and the others on the wall."""
    truth = [[20] * 4 + [10] * (9 - covered) + [0] * covered] * 6
    prediction = [[20] * 4 + [10] * 5 + [21] * 4] * 6
    got = figures(tmp_path, truth, prediction)
    assert got["VPQ_things"] == pytest.approx(1 / (1 + false_positives / 2))


def test_a_crowd_is_never_found_and_forgives_its_class(tmp_path: Path) -> None:
    truth = [[20, 20, 22, 22, 22, 22]] * 6
    prediction = [[20, 20, 21, 21, 31, 31]] * 6
    got = figures(tmp_path, truth, prediction, crowds={22})
    # Cats: 20 matches, 21 lies on the crowd of cats. Dogs: 31 lies there too, and is a false positive.
    assert got["VPQ"] == pytest.approx((1 + 0) / 2)


def test_a_class_without_tubes_does_not_count(tmp_path: Path) -> None:
    result = evaluate_vpq(*write(tmp_path, CAT_AND_WALL, CAT_AND_WALL, CLASSES))
    assert {c.name: c.metrics["VPQ"] for c in result.per_class} == {"wall": 1.0, "cat": 1.0, "dog": -1.0}


def test_videos_shorter_than_the_longest_window_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="6 frames"):
        figures(tmp_path, CAT_AND_WALL[:5], CAT_AND_WALL[:5])
