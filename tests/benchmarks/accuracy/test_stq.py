"""STQ: DeepLab2's own vectors, as label maps and as VIPSeg files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.benchmarks.accuracy.stq import TrackingQuality, evaluate_stq

from .vipseg import write

SKY = 1 << 16  # stuff class 1; thing class 0 has labels 0 (crowd), 1, 2, …

VECTORS = [
    ([1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1.0, 1.0, 1.0]),
    ([1, 1, 1, 1, 1], [1, 1, 2, 2, 2], [0.72111026, 0.52, 1.0]),
    ([1, 1, 1, 1, 1], [1, 2, 2, 2, 2], [0.82462113, 0.68, 1.0]),
    ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5], [0.447213596, 0.2, 1.0]),
    ([1, 1, 1, 1, 1], [1, 2, 1, 2, 2], [0.72111026, 0.52, 1.0]),
    ([1, 1, 1, 1, 1], [SKY, 1, 1, 1, 1], [0.50596443, 0.64, 0.4]),
    ([0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [1.0, 1.0, 1.0]),
    ([0, 1, 1, 1, 1, 1], [2, 2, 2, 2, 1, 1], [0.72111026, 0.52, 1.0]),
    ([0, 1, 1, 1, 1, 1], [2, 2, SKY, 1, 1, 1], [0.40824829, 0.4, 5 / 12]),
    ([SKY, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0.56568542, 0.8, 0.4]),
    ([SKY, 1, 1, 1, 1], [2, 2, 2, 1, 1], [0.42426407, 0.45, 0.4]),
    ([SKY, 1, 1, 1, 1], [2, 2, SKY, 1, 1], [0.3, 0.3, 0.3]),
]


def figures(truth: list[int], prediction: list[int]) -> list[float]:
    quality = TrackingQuality(num_classes=2, things=[0])
    quality.update(np.array([truth]), np.array([prediction]))
    return list(quality.figures().values())


@pytest.mark.parametrize(("truth", "prediction", "expected"), VECTORS)
def test_deeplab2_vector(truth: list[int], prediction: list[int], expected: list[float]) -> None:
    assert figures(truth, prediction) == pytest.approx(expected, abs=1e-7)


# Three frames of 8x8: 0 sky, 1 vegetation, 2 the one true car, 3 the part of the car predicted as another.
TRUTH = """
    00000000 00000000 00020111 02222111 22222211 22222221 22222221 22222211
    00000000 00000000 02001100 22211110 22221111 22222111 22222111 22221111
    00000000 00000000 00000000 20111000 22111100 22211110 22211111 22211111
"""
PREDICTION = """
    00000000 00000000 00000100 00022111 02222311 22222331 22223331 22223331
    00000000 00000000 00001100 02221111 22221111 22222111 22223311 22223111
    00000000 00000000 00001000 00111100 22211100 22211111 22221111 22221111
"""
LABELS = np.array([0, 1 << 16, (2 << 16) + 2, (2 << 16) + 1])


def test_deeplab2_video_of_three_frames() -> None:
    quality = TrackingQuality(num_classes=3, things=[2])
    maps = [
        LABELS[np.array([[int(c) for c in row] for row in text.split()]).reshape(3, 8, 8)]
        for text in (TRUTH, PREDICTION)
    ]
    for truth, prediction in zip(*maps):
        quality.update(truth, prediction, sequence="car")
    assert list(quality.figures().values()) == pytest.approx([0.66841773352, 0.55366581415, 0.80695295803])


def test_tubes_of_different_sequences_are_different() -> None:
    quality = TrackingQuality(num_classes=2, things=[0])
    quality.update(np.array([[1, 1]]), np.array([[1, 1]]), sequence="a")
    quality.update(np.array([[1, 1]]), np.array([[2, 2]]), sequence="b")
    assert quality.figures() == {"STQ": 1.0, "AQ": 1.0, "IoU": 1.0}


def test_void_truth_counts_for_nothing() -> None:
    void = 255 << 16
    assert figures([void, 1, 1], [SKY, 1, 1]) == [1.0, 1.0, 1.0]


def test_void_prediction_is_one_more_class_of_iou_zero() -> None:
    """A quirk of the reference: the mean runs over the thing (3/4) and void (0)."""
    assert figures([1, 1, 1, 1], [255 << 16, 1, 1, 1])[2] == pytest.approx((3 / 4 + 0) / 2)


def test_without_labelled_truth_there_is_no_figure() -> None:
    assert figures([255 << 16], [1]) == [-1.0, -1.0, -1.0]


@pytest.mark.parametrize(("truth", "prediction", "expected"), VECTORS)
def test_deeplab2_vector_as_vipseg_files(
    tmp_path: Path, truth: list[int], prediction: list[int], expected: list[float]
) -> None:
    """Crowd pixels become segment 9, marked as a crowd; the sky is stuff."""
    classes = {**dict.fromkeys(range(1, 10), 1), SKY: 0}
    rows = [[9 if label == 0 else label for label in row] for row in (truth, prediction)]
    result = evaluate_stq(*write(tmp_path, rows[:1], rows[1:], classes, crowds={9}))
    assert list(result.metrics.values()) == pytest.approx(expected, abs=1e-7)


def test_a_class_that_nobody_sees_has_no_figure(tmp_path: Path) -> None:
    result = evaluate_stq(*write(tmp_path, [[10, 20]], [[10, 10]], {10: 0, 20: 1}))
    assert {c.name: c.metrics["IoU"] for c in result.per_class} == {"wall": 0.5, "cat": 0.0, "dog": -1.0}


labels = st.lists(st.sampled_from([0, 1, 2, 3, SKY]), min_size=2, max_size=30)


@given(labels)
def test_names_of_predicted_instances_do_not_matter(truth: list[int]) -> None:
    prediction = truth[::-1]
    renamed = [label if label == SKY else 17 - label for label in prediction]
    assert figures(truth, renamed) == pytest.approx(figures(truth, prediction))


@given(labels)
def test_the_truth_is_a_perfect_prediction(truth: list[int]) -> None:
    stq, association, iou = figures(truth, truth)
    tracked = any(0 < label < SKY for label in truth)
    assert (association, iou, stq) == pytest.approx((float(tracked), 1.0, float(tracked)))
