"""Detections of one object become one; those of several objects stay apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.association.fusion import fusion_weights
from tests.runtime.objects import shown_boxes


def regions(*places):
    return [shown.region for shown in shown_boxes(*places)]


def test_detections_on_an_object_are_weighed_by_their_scores():
    scores = np.array([0.2, 0.5, 0.6, 0.1], dtype=np.float32)
    weights = fusion_weights(scores, regions((0, 1), (10, 20), (0, 0), (2, 0)), 0.4)
    assert np.allclose(weights, [[0.2 / 0.9, 0.0, 0.6 / 0.9, 0.1 / 0.9], [0.0, 1.0, 0.0, 0.0]])


def test_a_detection_joins_the_object_that_it_overlaps_most():
    scores = np.array([0.9, 0.8, 0.1], dtype=np.float32)
    weights = fusion_weights(scores, regions((0, 0), (0, 5), (0, 3)), 0.4)
    assert (weights > 0).tolist() == [[True, False, False], [False, True, True]]


def test_what_was_one_object_on_the_keyframe_is_one_until_little_of_it_overlaps():
    scores, masks = np.array([0.9, 0.8], dtype=np.float32), regions((0, 0), (0, 5))
    overlap = masks[0].iou(masks[1])
    least, less, more = 1.5 * overlap, 0.9 * overlap, 1.1 * overlap
    assert len(fusion_weights(scores, masks, least, less)) == 2
    assert len(fusion_weights(scores, masks, least, less, np.array([3, 3]))) == 1
    assert len(fusion_weights(scores, masks, least, more, np.array([3, 3]))) == 2
    assert len(fusion_weights(scores, masks, least, less, np.array([3, 4]))) == 2


@given(seed=st.integers(0, 10_000), count=st.integers(0, 12))
def test_every_detection_belongs_to_one_object(seed, count):
    rng = np.random.default_rng(seed)
    places = [(int(y), int(x)) for y, x in zip(rng.integers(0, 12, count), rng.integers(0, 32, count))]
    scores, masks = rng.random(count).astype(np.float32), regions(*places)
    weights = fusion_weights(scores, masks, 0.4)
    assert ((weights > 0).sum(axis=0) == 1).all()
    assert np.allclose(weights.sum(axis=1), 1.0)
    best = [scores[row > 0].max() for row in weights]
    assert best == sorted(best, reverse=True)
    leaders = [int(np.argmax(np.where(row > 0, scores, -1.0))) for row in weights]
    assert all(masks[one].iou(masks[other]) < 0.4 for one, other in combinations(leaders, 2))


def test_scores_of_zero_are_detections_too():
    assert np.allclose(fusion_weights(np.zeros(2, np.float32), regions((0, 0), (0, 1)), 0.4), [[0.5, 0.5]])
