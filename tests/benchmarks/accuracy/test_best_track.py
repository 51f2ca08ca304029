"""How an object is judged to be followed, from each frame's overlaps."""

from __future__ import annotations

import pytest

from mobilevis.benchmarks.accuracy.best_track import Followed, judge


def test_one_track_on_the_object_has_its_mean_overlap_and_no_switch():
    assert judge([{1: 0.8, 2: 0.1}, {1: 0.6}]) == Followed(pytest.approx(0.7), 0, 1.0)


def test_a_change_of_identity_halves_the_best_track_and_is_counted():
    assert judge([{1: 0.8}, {2: 0.8}]) == Followed(pytest.approx(0.4), 1, 1.0)


def test_frames_in_which_nothing_holds_the_object_are_no_switch():
    found = judge([{1: 0.8}, {1: 0.2}, {}, {1: 0.8}])
    assert found == Followed(pytest.approx(0.45), 0, 0.5)


def test_a_clip_without_any_track_has_nothing():
    assert judge([{}, {}]) == Followed(0.0, 0, 0.0)
