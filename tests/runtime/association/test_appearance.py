"""Tracks follow looks, classes and places; births need sure detections."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.association.appearance import AppearanceAssociation
from tests.runtime.objects import GRID, objects, seen, shown_boxes


def named(*scores: float, label: int = 0) -> np.ndarray:
    """Class scores (K, 3) of detections of one class."""
    rows = np.zeros((len(scores), 3), dtype=np.float32)
    rows[:, label] = scores
    return rows


def update(association: AppearanceAssociation, looks, scores, masks) -> tuple[np.ndarray, np.ndarray]:
    return association.update(looks, scores, masks, GRID)


def ids(found: tuple[np.ndarray, np.ndarray]) -> list[int]:
    return found[0].tolist()


SURE = named(0.8, 0.8, 0.8, 0.8)


def test_a_track_follows_what_it_shows_and_where_in_any_order():
    association, looks = AppearanceAssociation(), objects(2, 0)
    assert ids(update(association, looks, SURE[:2], shown_boxes((0, 0), (10, 20)))) == [1, 2]
    assert ids(update(association, looks[::-1], SURE[:2], shown_boxes((10, 22), (0, 2)))) == [2, 1]


@given(seed=st.integers(0, 10_000), step=st.integers(0, 3))
def test_objects_that_look_alike_are_told_apart_by_their_places(seed, step):
    rng = np.random.default_rng(seed)
    places = [(0, 0), (0, 20), (12, 5), (12, 30)]
    alike = np.repeat(objects(1, seed), 4, axis=0)
    association = AppearanceAssociation()
    first, _ = update(association, alike, SURE, shown_boxes(*places))
    order = rng.permutation(4)
    later = shown_boxes(*[(places[k][0], places[k][1] + step) for k in order])
    found, _ = update(association, seen(alike, rng), SURE, later)
    assert np.array_equal(found, first[order])


@given(seed=st.integers(0, 10_000))
def test_objects_that_jump_are_told_by_their_looks(seed):
    rng = np.random.default_rng(seed)
    association, looks = AppearanceAssociation(), objects(4, seed)
    first, _ = update(association, looks, SURE, shown_boxes((0, 0), (0, 10), (0, 20), (0, 30)))
    order = rng.permutation(4)
    elsewhere = shown_boxes((10, 0), (10, 10), (10, 20), (10, 30))
    found, _ = update(association, seen(looks[order], rng), SURE, elsewhere)
    assert np.array_equal(found, first[order])


def test_objects_that_look_alike_and_jump_are_told_by_their_classes():
    association, alike = AppearanceAssociation(), np.repeat(objects(1, 0), 2, axis=0)
    classes = np.concatenate([named(0.8, label=0), named(0.8, label=1)])
    first, labels = update(association, alike, classes, shown_boxes((0, 0), (0, 20)))
    assert (first.tolist(), labels.tolist()) == ([1, 2], [0, 1])
    assert ids(update(association, alike, classes[::-1], shown_boxes((12, 5), (12, 30)))) == [2, 1]


def test_two_that_cross_keep_their_ways():
    """Squares that look alike pass each other, two cells a frame: their speed tells them apart."""
    association, alike = AppearanceAssociation(), np.repeat(objects(1, 0), 2, axis=0)
    for step in range(14):
        left, right = (0, 2 * step), (2, 28 - 2 * step)
        assert ids(update(association, alike, SURE[:2], shown_boxes(left, right))) == [1, 2], step


def test_a_crowd_that_looks_alike_is_told_apart_where_the_camera_turns():
    """Each comes to where its neighbour was; their looks differ a little."""
    rng, association = np.random.default_rng(0), AppearanceAssociation()
    looks = np.repeat(objects(1, 0), 4, axis=0) + rng.normal(0, 0.02, (4, 1)) * objects(4, 1)
    crowd = [(2, x) for x in (0, 8, 16, 24)]
    assert ids(update(association, looks, SURE, shown_boxes(*crowd))) == [1, 2, 3, 4]
    assert ids(update(association, looks, SURE, shown_boxes(*[(y, x + 8) for y, x in crowd]))) == [1, 2, 3, 4]


def test_a_track_that_is_missed_for_some_frames_is_looked_for_where_it_was():
    """Another class and look, as of a thing that is blurred: only its place says that it is the same."""
    association, looks = AppearanceAssociation(class_weight=0.2), objects(2, 0)
    blurred = (looks[0] + looks[1])[None]
    update(association, looks[:1], named(0.8, label=0), shown_boxes((0, 0)))
    association.update_without_detections()
    assert ids(update(association, blurred, named(0.8, label=1), shown_boxes((0, 1)))) == [1]
    for _ in range(20):
        association.update_without_detections()
    assert ids(update(association, looks[1:], named(0.8, label=2), shown_boxes((0, 1)))) == [2]


def test_of_two_detections_on_an_object_the_sure_one_has_its_identity():
    association, look = AppearanceAssociation(), objects(1, 0)
    update(association, look, SURE[:1], shown_boxes((0, 0)))
    both = np.repeat(look, 2, axis=0)
    assert ids(update(association, both, named(0.25, 0.7), shown_boxes((0, 0), (0, 1)))) == [2, 1]
    assert ids(update(association, look, named(0.7), shown_boxes((0, 2)))) == [1]


def test_faint_detections_go_on_with_tracks_but_start_none():
    association, looks = AppearanceAssociation(birth_score=0.2), objects(2, 0)
    assert ids(update(association, looks, named(0.8, 0.1), shown_boxes((0, 0), (10, 20)))) == [1, 0]
    assert ids(update(association, looks, named(0.1, 0.1), shown_boxes((0, 0), (10, 20)))) == [1, 0]
    assert ids(update(association, looks, named(0.1, 0.3), shown_boxes((0, 0), (10, 20)))) == [1, 2]


def test_a_track_is_called_what_it_was_called_most():
    association, look = AppearanceAssociation(), objects(1, 0)
    for _ in range(3):
        update(association, look, named(0.6, label=2), shown_boxes((0, 0)))
    _, classes = update(association, look, named(0.7, label=1), shown_boxes((0, 0)))
    assert classes.tolist() == [2]


def test_a_lost_track_comes_back_by_its_looks_and_only_for_so_long():
    association, looks = AppearanceAssociation(keep_lost=2), objects(2, 0)
    update(association, looks[:1], SURE[:1], shown_boxes((0, 0)))
    association.update_without_detections()
    assert ids(update(association, looks[:1], SURE[:1], shown_boxes((10, 30)))) == [1]
    for _ in range(3):
        association.update_without_detections()
    assert ids(update(association, looks[:1], SURE[:1], shown_boxes((10, 30)))) == [2]


def test_a_track_that_comes_back_in_the_last_frame_that_it_may_goes_on():
    association, look = AppearanceAssociation(keep_lost=2), objects(1, 0)
    update(association, look, SURE[:1], shown_boxes((0, 0)))
    for _ in range(2):
        association.update_without_detections()
    assert [ids(update(association, look, SURE[:1], shown_boxes((0, x)))) for x in range(3)] == [
        [1],
        [1],
        [1],
    ]


def test_a_frame_without_detections_has_no_identities():
    association = AppearanceAssociation()
    for _ in range(2):
        assert ids(update(association, objects(0, 0), SURE[:0], shown_boxes())) == []
        update(association, objects(1, 0), SURE[:1], shown_boxes((0, 0)))
