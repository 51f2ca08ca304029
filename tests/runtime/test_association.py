"""Identities follow kernels, whatever their order, through noise, births and deaths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.association import (
    OnlineAssociation,
    OverlapAssociation,
    SlotAssociation,
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


def falling(count: int) -> np.ndarray:
    return np.linspace(0.9, 0.5, count, dtype=np.float32)


def test_a_track_follows_its_mask_from_query_to_query():
    association, kernels = OverlapAssociation(), objects(4, 0)
    assert association.update(kernels[:2], falling(2), boxes((0, 0), (10, 20))).tolist() == [1, 2]
    # The objects change their queries, and with them their kernels.
    assert association.update(kernels[2:], falling(2), boxes((10, 22), (0, 2))).tolist() == [2, 1]


@given(seed=st.integers(0, 10_000), step=st.integers(0, 3))
def test_identities_follow_masks_in_any_order(seed, step):
    rng = np.random.default_rng(seed)
    places = [(0, 0), (0, 20), (12, 5), (12, 30)]
    association = OverlapAssociation()
    first = association.update(objects(4, seed), falling(4), boxes(*places))
    order = rng.permutation(4)
    moved = boxes(*[(places[k][0], places[k][1] + step) for k in order])
    assert np.array_equal(association.update(objects(4, seed + 1), falling(4), moved), first[order])


def test_of_two_detections_on_an_object_the_better_one_has_the_identity_and_the_other_none():
    association, kernels = OverlapAssociation(), objects(3, 0)
    masks = boxes((0, 0), (0, 1), (10, 20))
    assert association.update(kernels, falling(3), masks).tolist() == [1, 0, 2]
    better_last = falling(3)
    assert association.update(kernels[[1, 0, 2]], better_last, masks[[1, 0, 2]]).tolist() == [1, 0, 2]


def test_frames_between_keyframes_move_the_masks_that_are_followed():
    association, kernels = OverlapAssociation(), objects(2, 0)
    association.update(kernels[:1], falling(1), boxes((0, 0)))
    for x in (6, 12):
        association.observe(np.array([1]), boxes((0, x)))
    assert association.update(kernels[1:], falling(1), boxes((0, 16))).tolist() == [1]


def test_a_lost_track_comes_back_by_its_kernel_and_only_for_so_long():
    association, kernels = OverlapAssociation(keep_lost=2), objects(2, 0)
    association.update(kernels[:1], falling(1), boxes((0, 0)))
    association.update(kernels[:0], falling(0), boxes())
    assert association.update(kernels[:1], falling(1), boxes((10, 30))).tolist() == [1]
    for _ in range(3):
        association.update(kernels[:0], falling(0), boxes())
    assert association.update(kernels[:1], falling(1), boxes((10, 30))).tolist() == [2]


def test_an_empty_mask_is_no_track():
    association = OverlapAssociation()
    masks = np.concatenate([boxes((0, 0)), np.zeros((1, 20, 40), dtype=np.bool_)])
    assert association.update(objects(2, 0), falling(2), masks).tolist() == [1, 0]
