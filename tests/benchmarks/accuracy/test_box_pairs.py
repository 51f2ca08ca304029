"""Which object is which by boxes alone, and where these leave no doubt."""

from __future__ import annotations

import numpy as np

from mobilevis.benchmarks.accuracy.box_pairs import CLEAR_RATIO, join_steps, same_objects


def row(*lefts: float) -> np.ndarray:
    """Boxes of a tenth of the input side by side, from these columns on."""
    return np.array([(x, 0.1, x + 0.1, 0.3) for x in lefts], dtype=np.float32)


def pair(first: np.ndarray, later: np.ndarray, ratio: float = 1.0) -> dict[int, int]:
    return same_objects((first, later), (np.zeros(len(first), int), np.zeros(len(later), int)), ratio)


def test_boxes_that_overlap_each_other_most_are_one_object_s():
    assert pair(row(0.1, 0.5), row(0.52, 0.11)) == {0: 1, 1: 0}


def test_boxes_that_hardly_overlap_or_have_other_classes_are_not():
    assert pair(row(0.1), row(0.17)) == {}
    assert same_objects((row(0.1), row(0.1)), (np.array([0]), np.array([1]))) == {}


def test_an_object_found_twice_in_either_frame_is_in_doubt():
    twice = row(0.1, 0.115)
    assert pair(twice, row(0.105)) == pair(row(0.105), twice) == {0: 0}
    assert pair(twice, row(0.105), CLEAR_RATIO) == pair(row(0.105), twice, CLEAR_RATIO) == {}


def test_a_pair_whose_rivals_are_far_is_clear():
    assert pair(row(0.1, 0.16), row(0.11, 0.17), CLEAR_RATIO) == {0: 0, 1: 1}


def test_steps_join_what_each_of_them_finds_again():
    assert join_steps([{0: 1, 2: 0}, {1: 3}]) == {0: 3}
