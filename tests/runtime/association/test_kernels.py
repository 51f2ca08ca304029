"""Identities follow kernels, whatever their order, through noise, births and deaths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.association.kernels import OnlineAssociation, SlotAssociation, cosine
from tests.runtime.objects import DIM, objects, seen


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
