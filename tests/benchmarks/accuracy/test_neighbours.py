"""Touching objects of one class: told apart, missed, or joined by one mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilevis.benchmarks.accuracy.evaluate import evaluate
from mobilevis.benchmarks.accuracy.neighbours import REACH, Tally, count_neighbours, touch
from mobilevis.data.coco import save_coco, save_coco_results
from mobilevis.data.datasets import Annotation, Image, ImageDataset, ImageResult
from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category

SIDE = 40


def box(x0: int, x1: int, y0: int = 5, y1: int = 30) -> rle.Rle:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return rle.encode(mask)


LEFT, RIGHT, BOTH, FAR = box(0, 10), box(10, 20), box(0, 20), box(30, 38)


@pytest.mark.parametrize(("gap", "touches"), [(0, True), (REACH - 1, True), (REACH, False)])
def test_masks_touch_up_to_the_reach(gap: int, touches: bool) -> None:
    """A gap of so many empty columns."""
    assert touch(box(0, 10), box(10 + gap, 20 + gap)) is touches
    assert touch(box(10 + gap, 20 + gap), box(0, 10)) is touches


def test_an_empty_mask_touches_nothing() -> None:
    assert not touch(box(0, 0), LEFT)
    assert not touch(LEFT, box(0, 0))


def test_a_pair_is_found_by_two_predictions() -> None:
    assert count_neighbours([LEFT, RIGHT, FAR], [LEFT, RIGHT, FAR]) == Tally(1, 1, 3, 0)


def test_one_of_two_is_no_pair() -> None:
    assert count_neighbours([LEFT, RIGHT], [LEFT]) == Tally(1, 0, 1, 0)


def test_one_prediction_for_two_objects_joins_them_and_finds_no_pair() -> None:
    """Its IoU with either is exactly one half."""
    assert count_neighbours([LEFT, RIGHT], [BOTH]) == Tally(1, 0, 1, 1)


def test_a_pair_may_be_found_beside_a_mask_that_joins_it() -> None:
    assert count_neighbours([LEFT, RIGHT], [LEFT, RIGHT, BOTH]) == Tally(1, 1, 3, 1)


def test_objects_that_are_apart_are_no_pair_but_can_be_joined() -> None:
    assert count_neighbours([LEFT, FAR], [box(0, 40)]) == Tally(0, 0, 1, 1)


def test_predictions_without_objects_join_nothing() -> None:
    assert count_neighbours([], [LEFT]) == Tally(0, 0, 1, 0)
    assert count_neighbours([LEFT, RIGHT], []) == Tally(1, 0, 0, 0)


def test_a_file_is_counted_class_by_class(tmp_path: Path) -> None:
    """Crowds are no neighbours, and neither are objects of two classes."""
    truths = [(1, LEFT, False), (1, RIGHT, False), (2, box(20, 30), False), (2, FAR, True)]
    dataset = ImageDataset(
        (Category(1, "person"), Category(2, "dog"), Category(3, "cat")),
        (Image(1, "a.png", SIDE, SIDE),),
        tuple(
            Annotation(index, 1, label, mask, rle.area(mask), (0, 0, 1, 1), crowd)
            for index, (label, mask, crowd) in enumerate(truths, start=1)
        ),
    )
    save_coco(dataset, tmp_path / "gt.json")
    answers = [ImageResult(1, 1, 0.9, LEFT), ImageResult(1, 1, 0.8, BOTH), ImageResult(1, 2, 0.9, FAR)]
    save_coco_results(answers, tmp_path / "results.json")
    found = evaluate("neighbours", tmp_path / "gt.json", tmp_path / "results.json")
    assert found.metrics == {"pairs": 1.0, "joined": 1 / 3}
    assert [dict(item.metrics) for item in found.per_class] == [
        {"pairs": 1.0, "joined": 0.5},
        {"pairs": -1.0, "joined": 0.0},
        {"pairs": -1.0, "joined": -1.0},
    ]
    assert found.counts == {"images": 1, "touching pairs": 1, "results": 3, "joined": 1}
