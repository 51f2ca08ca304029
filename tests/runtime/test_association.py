"""Identities follow kernels, whatever their order, through noise, births and deaths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.association import (
    AppearanceAssociation,
    OnlineAssociation,
    SlotAssociation,
    appearance,
    cosine,
)

DIM = 32


def objects(count: int, seed: int) -> np.ndarray:
    """Kernels of different objects: orthogonal, so that the right association is known."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))
    return basis[:count].astype(np.float32)


def seen(kernels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The kernels as another keyframe gives them: another length, and noise."""
    noise = rng.normal(scale=0.05, size=kernels.shape)
    return ((kernels + noise) * rng.uniform(0.5, 2.0, size=(len(kernels), 1))).astype(np.float32)


@pytest.mark.parametrize("make", [SlotAssociation, lambda: OnlineAssociation(new_score=0.5)])
@given(seed=st.integers(0, 10_000), count=st.integers(1, 12))
def test_identities_survive_permutation_and_noise(make, seed, count):
    association, rng = make(), np.random.default_rng(seed)
    kernels, scores = objects(count, seed), np.full(count, 0.9, dtype=np.float32)
    first = association.update(seen(kernels, rng), scores)
    assert sorted(first) == list(range(1, count + 1))
    for _ in range(4):
        order = rng.permutation(count)
        assert np.array_equal(association.update(seen(kernels[order], rng), scores), first[order])


def test_a_new_object_gets_a_new_identity():
    association, kernels = OnlineAssociation(new_score=0.5), objects(3, 0)
    scores = np.full(3, 0.9, dtype=np.float32)
    assert association.update(kernels[:2], scores[:2]).tolist() == [1, 2]
    assert association.update(kernels[[2, 1, 0]], scores).tolist() == [3, 2, 1]


def test_what_scores_too_low_is_no_object():
    association = OnlineAssociation(new_score=0.5)
    assert association.update(objects(2, 0), np.array([0.9, 0.4], dtype=np.float32)).tolist() == [1, 0]


def test_an_object_that_returns_in_time_keeps_its_identity():
    association, kernels = OnlineAssociation(new_score=0.5, keep_lost=2), objects(2, 0)
    association.update(kernels, np.array([0.9, 0.9]))
    for _ in range(2):
        association.update(kernels, np.array([0.9, 0.1]))
    assert association.update(kernels, np.array([0.9, 0.9])).tolist() == [1, 2]


def test_an_object_that_stays_away_too_long_is_forgotten():
    association, kernels = OnlineAssociation(new_score=0.5, keep_lost=2), objects(2, 0)
    association.update(kernels, np.array([0.9, 0.9]))
    for _ in range(3):
        association.update(kernels, np.array([0.9, 0.1]))
    assert association.update(kernels, np.array([0.9, 0.9])).tolist() == [1, 3]


def test_a_kernel_that_is_like_no_track_starts_one_and_leaves_the_others_alone():
    association, kernels = OnlineAssociation(new_score=0.5, match_cosine=0.5), objects(3, 1)
    association.update(kernels[:2], np.array([0.9, 0.9]))
    blend = kernels[2] + 0.3 * kernels[0]
    assert association.update(np.stack([blend, kernels[0]]), np.array([0.9, 0.9])).tolist() == [3, 1]


def test_slots_compare_with_the_previous_keyframe():
    """An object that turns little by little is followed although it ends far from where it began."""
    association, basis = SlotAssociation(), objects(3, 2)
    scores = np.full(2, 0.9, dtype=np.float32)
    for angle in np.linspace(0.0, np.pi / 2, 7):
        turning = np.cos(angle) * basis[0] + np.sin(angle) * basis[1]
        ids = association.update(np.stack([turning, basis[2]]), scores)
        assert ids.tolist() == [1, 2]


def test_forgotten_tracks_leave_no_memory():
    association, scores = OnlineAssociation(new_score=0.5, keep_lost=1), np.array([0.9])
    for seed in range(50):
        association.update(objects(1, seed), scores)
    assert len(association._kernels) <= 3


@given(st.integers(0, 1000))
def test_cosine_is_symmetric_and_bounded(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(4, DIM)).astype(np.float32), rng.normal(size=(5, DIM)).astype(np.float32)
    assert np.allclose(cosine(a, b), cosine(b, a).T)
    assert np.abs(cosine(a, b)).max() <= 1.0 + 1e-6


def test_a_zero_kernel_is_like_nothing():
    assert cosine(np.zeros((1, DIM), np.float32), objects(2, 0)).tolist() == [[0.0, 0.0]]


def boxes(*places: tuple[int, int]) -> np.ndarray:
    """Masks (K, 20, 40): squares of 8 by 8 at the rows and columns given."""
    masks = np.zeros((len(places), 20, 40), dtype=np.bool_)
    for mask, (y, x) in zip(masks, places):
        mask[y : y + 8, x : x + 8] = True
    return masks


SURE = np.full(4, 0.8, dtype=np.float32)


def test_a_track_follows_what_it_shows_and_where_in_any_order():
    association, looks = AppearanceAssociation(), objects(2, 0)
    assert association.update(looks, SURE[:2], boxes((0, 0), (10, 20))).tolist() == [1, 2]
    assert association.update(looks[::-1], SURE[:2], boxes((10, 22), (0, 2))).tolist() == [2, 1]


@given(seed=st.integers(0, 10_000), step=st.integers(0, 3))
def test_objects_that_look_alike_are_told_apart_by_their_places(seed, step):
    rng = np.random.default_rng(seed)
    places = [(0, 0), (0, 20), (12, 5), (12, 30)]
    alike = np.repeat(objects(1, seed), 4, axis=0)
    association = AppearanceAssociation()
    first = association.update(alike, SURE, boxes(*places))
    order = rng.permutation(4)
    moved = boxes(*[(places[k][0], places[k][1] + step) for k in order])
    assert np.array_equal(association.update(seen(alike, rng), SURE, moved), first[order])


@given(seed=st.integers(0, 10_000))
def test_objects_that_jump_are_told_by_their_looks(seed):
    rng = np.random.default_rng(seed)
    association, looks = AppearanceAssociation(), objects(4, seed)
    first = association.update(looks, SURE, boxes((0, 0), (0, 10), (0, 20), (0, 30)))
    order = rng.permutation(4)
    elsewhere = boxes((10, 0), (10, 10), (10, 20), (10, 30))
    assert np.array_equal(association.update(seen(looks[order], rng), SURE, elsewhere), first[order])


def test_of_two_detections_on_an_object_the_sure_one_has_its_identity():
    association, look = AppearanceAssociation(), objects(1, 0)
    association.update(look, SURE[:1], boxes((0, 0)))
    both, scores = np.repeat(look, 2, axis=0), np.array([0.1, 0.7], dtype=np.float32)
    assert association.update(both, scores, boxes((0, 0), (0, 1))).tolist() == [2, 1]
    assert association.update(both[:1], scores[1:], boxes((0, 2))).tolist() == [1]


def test_frames_between_keyframes_move_the_masks_that_are_followed():
    association, alike = AppearanceAssociation(), np.repeat(objects(1, 0), 2, axis=0)
    association.update(alike, SURE[:2], boxes((0, 0), (0, 30)))
    for x in (6, 12):
        association.observe(np.array([1, 2]), boxes((0, x), (0, 30 - x)))
    assert association.update(alike, SURE[:2], boxes((0, 16), (0, 14))).tolist() in ([1, 2], [2, 1])
    association.observe(np.array([1, 2]), boxes((0, 20), (0, 0)))
    assert association.update(alike, SURE[:2], boxes((0, 0), (0, 22))).tolist() == [2, 1]


def test_a_lost_track_comes_back_by_its_looks_and_only_for_so_long():
    association, looks = AppearanceAssociation(keep_lost=2), objects(2, 0)
    association.update(looks[:1], SURE[:1], boxes((0, 0)))
    association.update_without_detections()
    assert association.update(looks[:1], SURE[:1], boxes((10, 30))).tolist() == [1]
    for _ in range(3):
        association.update_without_detections()
    assert association.update(looks[:1], SURE[:1], boxes((10, 30))).tolist() == [2]


def test_an_appearance_is_the_mean_of_the_features_under_a_mask_beyond_the_frames():
    features = np.zeros((2, 2, 3), dtype=np.float32)
    features[0, 0, 0], features[1, 1, 2] = 6.0, 12.0
    logits = np.full((3, 4, 6), -8.0, dtype=np.float32)
    logits[0, :2, :2] = logits[1, 2:, 4:] = 3.0
    logits[1, 2, 2] = 3.0  # a quarter of a cell more, which shows nothing
    found = appearance(features, logits, 0.0)
    assert np.allclose(found, [[5.0, -2.0], [-1.0, 12.0 * 4 / 5 - 2.0], [0.0, 0.0]])
