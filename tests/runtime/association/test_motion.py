"""Steps that all masks share."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.association.motion import find_common_step

PLACES = np.array([[5.0, 5.0], [5.0, 15.0], [5.0, 25.0], [9.0, 35.0]])


def test_a_camera_s_turn_moves_everything_beyond_a_neighbour_s_place():
    alike = np.eye(4, dtype=np.float32)
    assert find_common_step(alike, PLACES, PLACES + np.array([1.0, 10.0])) == (1.0, 10.0)


def test_one_that_goes_its_own_way_does_not_count():
    found = PLACES + np.array([0.0, 4.0])
    found[2] += 9.0
    assert find_common_step(np.eye(4, dtype=np.float32), PLACES, found) == (0.0, 4.0)


@pytest.mark.parametrize(
    ("likeness", "count"),
    [(np.eye(4), 2), (0.4 * np.eye(4), 4), (np.ones((4, 4)), 4)],
    ids=["few", "unlike", "all alike"],
)
def test_too_few_sure_pairs_say_nothing(likeness, count):
    likeness = likeness[:count, :count].astype(np.float32)
    assert find_common_step(likeness, PLACES[:count], PLACES[:count] + 3.0) == (0.0, 0.0)


def test_steps_that_do_not_agree_say_nothing():
    found = PLACES[[1, 3, 0, 2]]
    assert find_common_step(np.eye(4, dtype=np.float32), PLACES, found) == (0.0, 0.0)


def test_pairs_that_say_something_else_than_the_pictures_have_no_say():
    found = PLACES + np.array([0.0, 4.0])
    found[3] += np.array([0.0, 5.0])
    alike = np.eye(4, dtype=np.float32)
    assert find_common_step(alike, PLACES, found, (0.5, 3.0)) == (0.0, 4.0)


def test_where_too_few_pairs_go_with_the_pictures_their_step_is_taken():
    alike = np.eye(4, dtype=np.float32)
    assert find_common_step(alike, PLACES, PLACES + np.array([0.0, 10.0]), (0.0, 2.0)) == (0.0, 2.0)
    assert find_common_step(alike[:2, :2], PLACES[:2], PLACES[:2], (0.0, 2.0)) == (0.0, 2.0)
