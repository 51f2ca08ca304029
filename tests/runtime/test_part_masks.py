"""Masks of one class that claim the same cells."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import PARTED_SCORE, part_masks, to_frame

SURE = np.array([0.9, 0.8, 0.7], dtype=np.float32)
THRESHOLD = -0.4
OWN = 8  # cells that each claims alone: masks that share most cells would be one object's


def part(logits, classes, scores=SURE):
    """The parted logits (S, n) of S instances that claim these n cells beside their own."""
    logits = np.asarray(logits, dtype=np.float32)
    own = np.where(np.eye(len(logits), dtype=bool), 4.0, -9.0).repeat(OWN, axis=1)
    whole = np.hstack([logits, own]).astype(np.float32)[:, None]
    return part_masks(whole, np.asarray(classes), np.asarray(scores), THRESHOLD)[:, 0, : logits.shape[1]]


def test_a_cell_that_several_claim_is_the_highest_logit_s():
    parted = part([[3.0, 1.0], [2.0, 5.0], [1.0, 2.0]], [4, 4, 4])
    assert (parted > THRESHOLD).tolist() == [[True, False], [False, True], [False, False]]


def test_the_winner_keeps_its_logit_and_the_others_have_it_mirrored_at_the_threshold():
    assert part([[3.0], [2.0], [-9.0]], [4, 4, 4]).ravel() == pytest.approx([3.0, -3.8, -9.0])


def test_other_classes_share_cells():
    logits = np.array([[2.0, 2.0], [4.0, 4.0], [6.0, 6.0]], dtype=np.float32)
    assert np.array_equal(part(logits, [0, 1, 2]), logits)


def test_faint_instances_neither_take_nor_lose_cells():
    scores = np.array([0.9, 0.8, PARTED_SCORE - 0.01], dtype=np.float32)
    parted = part([[3.0, 1.0], [2.0, 5.0], [1.0, 9.0]], [4, 4, 4], scores)
    assert (parted > THRESHOLD).tolist() == [[True, False], [False, True], [True, True]]


def test_masks_that_share_most_of_their_cells_are_one_object_s_and_stay():
    shared = np.full((2, OWN), [[3.0], [2.0]], dtype=np.float32)
    assert not np.array_equal(part(shared, [4, 4], SURE[:2]), shared)
    twice = np.repeat(shared, 2, axis=1)
    assert np.array_equal(part(twice, [4, 4], SURE[:2]), twice)


def test_cells_that_nobody_claims_stay():
    logits = np.array([[-2.0], [-3.0], [-0.5]], dtype=np.float32)
    assert np.array_equal(part(logits, [4, 4, 4]), logits)


def test_the_network_s_logits_are_left_alone():
    logits = np.full((2, 1, 3 * OWN), -2.0, dtype=np.float32)
    logits[0, 0, : OWN + 2], logits[1, 0, OWN:] = 3.0, 2.0
    before = logits.copy()
    assert not np.array_equal(part_masks(logits, np.array([4, 4]), SURE[:2], THRESHOLD), before)
    assert np.array_equal(logits, before)


def test_interpolated_masks_share_no_pixel():
    rng, letterbox = np.random.default_rng(0), Letterbox.fit((180, 360), (64, 128))
    logits = rng.normal(-8, 1, (3, 16, 32)).astype(np.float32)
    for mask, left in zip(logits, (0, 8, 16)):
        mask[:, left : left + 14] += rng.normal(10, 3, (16, 14))
    shown = np.zeros((2, 180, 360), dtype=int)
    for count, masks in zip(shown, (logits, part_masks(logits, np.full(3, 4), SURE, THRESHOLD))):
        for mask in masks:
            placed = to_frame(mask, letterbox, 4, THRESHOLD)
            assert placed is not None
            (x0, y0, x1, y1), inside = placed
            count[y0:y1, x0:x1] += inside
    assert shown.max(axis=(1, 2)).tolist() == [2, 1]
    assert np.count_nonzero(shown[1]) > 0.95 * np.count_nonzero(shown[0])
