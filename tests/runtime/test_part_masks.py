"""Masks of one class that claim the same cells."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import PARTED_SCORE, part_masks, to_frame

SURE = np.array([0.9, 0.8, 0.7], dtype=np.float32)
THRESHOLD = -0.4


def part(logits, classes, scores=SURE):
    logits = np.asarray(logits, dtype=np.float32)
    return part_masks(logits, np.asarray(classes), np.asarray(scores), THRESHOLD)


def test_a_cell_that_several_claim_is_the_highest_logit_s():
    parted = part([[[3.0, 1.0]], [[2.0, 5.0]], [[1.0, 2.0]]], [4, 4, 4])
    assert (parted > THRESHOLD).tolist() == [[[True, False]], [[False, True]], [[False, False]]]


def test_the_winner_keeps_its_logit_and_the_others_have_it_mirrored_at_the_threshold():
    assert part([[[3.0]], [[2.0]], [[-9.0]]], [4, 4, 4]).ravel() == pytest.approx([3.0, -3.8, -9.0])


def test_other_classes_share_cells():
    logits = np.full((3, 1, 2), 2.0, dtype=np.float32) * np.arange(1, 4)[:, None, None]
    assert np.array_equal(part(logits, [0, 1, 2]), logits)


def test_faint_instances_neither_take_nor_lose_cells():
    faint = np.float32(PARTED_SCORE - 0.01)
    logits = [[[3.0, 1.0]], [[2.0, 5.0]], [[1.0, 9.0]]]
    parted = part(logits, [4, 4, 4], np.array([0.9, 0.8, faint], dtype=np.float32))
    assert (parted > THRESHOLD).tolist() == [[[True, False]], [[False, True]], [[True, True]]]


def test_cells_that_nobody_claims_stay():
    logits = np.array([[[-2.0]], [[-3.0]], [[-0.5]]], dtype=np.float32)
    assert np.array_equal(part(logits, [4, 4, 4]), logits)


def test_the_network_s_logits_are_left_alone():
    logits = np.array([[[3.0]], [[2.0]], [[1.0]]], dtype=np.float32)
    part(logits, [4, 4, 4])
    assert logits.ravel().tolist() == [3.0, 2.0, 1.0]


def test_interpolated_masks_share_no_pixel():
    logits = np.random.default_rng(0).normal(1, 3, (3, 16, 32)).astype(np.float32)
    letterbox = Letterbox.fit((180, 360), (64, 128))
    shown = np.zeros((180, 360), dtype=int)
    for mask in part(logits, [4, 4, 4]):
        placed = to_frame(mask, letterbox, 4, THRESHOLD)
        assert placed is not None
        (x0, y0, x1, y1), inside = placed
        shown[y0:y1, x0:x1] += inside
    assert shown.max() == 1
    assert np.count_nonzero(shown) > 0.5 * shown.size
