"""Cells chosen, masks cut, kernels moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime import cells

UNIT = np.array([[0.2, 0.2, 0.4, 0.6]], np.float32)


def scores(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_of_two_cells_on_one_object_the_better_stays():
    found = cells.choose_cells(
        scores((0.5, 0.0), (0.9, 0.0)), boxes((0, 0, 0.5, 0.5), (0, 0, 0.5, 0.52)), 0.3, 0.65, 10
    )
    assert found.tolist() == [1]


def test_classes_do_not_suppress_each_other():
    same = boxes((0, 0, 0.5, 0.5), (0, 0, 0.5, 0.5))
    assert cells.choose_cells(scores((0.5, 0.0), (0.0, 0.9)), same, 0.3, 0.65, 10).tolist() == [1, 0]


def test_neighbours_stay():
    near = boxes((0, 0, 0.5, 0.5), (0.25, 0, 0.75, 0.5))
    assert cells.choose_cells(scores((0.9,), (0.8,)), near, 0.3, 0.65, 10).tolist() == [0, 1]


def test_faint_cells_and_those_beyond_the_most_are_left_out():
    apart = boxes(*((0.1 * i, 0, 0.1 * i + 0.05, 0.1) for i in range(5)))
    found = cells.choose_cells(scores((0.5,), (0.9,), (0.2,), (0.7,), (0.6,)), apart, 0.3, 0.65, 3)
    assert found.tolist() == [1, 3, 4]


def test_cells_that_cannot_score_enough_are_not_likely():
    assert cells.find_likely(scores((0.1, 0.5, 0.3, 0.2))[0], 0.3, fewest=0).tolist() == [1, 2]


def test_the_likeliest_are_taken_where_few_are_likely_enough():
    objectness = scores((0.1, 0.5, 0.3, 0.2))[0]
    assert cells.find_likely(objectness, 0.9, fewest=2).tolist() == [1, 2]
    assert cells.find_likely(objectness, 0.9, fewest=9).tolist() == [0, 1, 2, 3]


def test_candidates_are_bounded_to_the_likeliest():
    objectness = np.random.default_rng(0).permutation(3 * cells.MAX_CANDIDATES).astype(np.float32) / 1e4
    found = cells.find_likely(objectness, 0.0, fewest=0)
    assert found.tolist() == np.flatnonzero(objectness >= np.sort(objectness)[-cells.MAX_CANDIDATES]).tolist()


def test_suppression_beyond_a_block_is_the_greedy_one():
    rng = np.random.default_rng(0)
    corner = rng.random((4 * cells.NMS_BLOCK, 2))
    found = np.hstack([corner, corner + 0.2 * rng.random(corner.shape)]).astype(np.float32)
    kept: list[int] = []
    for index, box in enumerate(found):
        if not kept or cells.box_ious(box[None], found[kept]).max() <= 0.3:
            kept.append(index)
    assert len(kept) > cells.NMS_BLOCK
    assert cells.suppress(found, 0.3).tolist() == kept
    assert cells.suppress(found, 0.3, most=70).tolist() == kept[:70]


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.5, 0.5), (0.6, 0.6, 0.4, 0.4)])
def test_a_box_without_area_overlaps_nothing(box):
    assert cells.box_ious(boxes(box), boxes(box, (0, 0, 1, 1))).tolist() == [[0.0, 0.0]]


def test_a_mask_ends_at_its_box_with_its_margin():
    cut = cells.cut_to_boxes(np.full((1, 10, 100), 3.0, np.float32), boxes((0.5, 0.0, 0.75, 1.0)), 0.08, 0.0)
    assert np.flatnonzero(cut[0, 5] > 0).tolist() == list(range(48, 77))
    assert np.unique(cut).tolist() == [-3.0, 3.0]


def test_nothing_outside_the_box_is_foreground_whatever_the_threshold():
    """Logits from −1 to 1: half of what is above −0.4 lay within 0.4 of 0."""
    logits = np.linspace(-1, 1, 200, dtype=np.float32).reshape(1, 2, 100)
    cut = cells.cut_to_boxes(logits, boxes((0.9, 0.0, 1.0, 1.0)), 0.0, -0.4)
    assert (cut[0, :, :90] <= -0.4).all()
    assert (cut[0, :, 90:] == logits[0, :, 90:]).all()


@given(seed=st.integers(0, 10_000))
def test_a_look_finds_the_tight_boxes_of_masks_that_are_cut(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.5, 1.0, (3, 12, 20)).astype(np.float32)
    corners = rng.uniform(-0.2, 1.0, (3, 2))
    places = np.hstack([corners, corners + rng.uniform(0.05, 0.6, (3, 2))]).astype(np.float32)
    margins, content = np.array([0.0, 0.08, 0.25]), (10, 17)
    shown = cells.cut_to_boxes(logits, places, margins, -0.4) > -0.4
    shown[:, content[0] :], shown[:, :, content[1] :] = False, False
    expected, held = cells.tight_boxes(shown)
    found, is_found = cells.find_tight_boxes(logits, places, margins, -0.4, content)
    np.testing.assert_array_equal(is_found, held)
    np.testing.assert_array_equal(found[held], expected[held])


def test_background_outside_the_box_stays_background():
    cut = cells.cut_to_boxes(np.full((1, 8, 8), -2.0, np.float32), boxes((0.5, 0.5, 1.0, 1.0)), 0.08, 0.0)
    assert (cut == -2.0).all()


def test_tight_boxes_are_fractions_of_the_input():
    masks = np.zeros((2, 10, 20), bool)
    masks[0, 2:5, 4:10] = True
    found, held = cells.tight_boxes(masks)
    assert found[0].tolist() == pytest.approx([0.2, 0.2, 0.5, 0.5])
    assert held.tolist() == [True, False]


def ellipse(box: np.ndarray) -> np.ndarray:
    """A kernel of two features and the place 1 − ((x − cx)/(w/2))² − ((y − cy)/(h/2))², (1, 7)."""
    centre, half = (box[:2] + box[2:]) / 2 - 0.5, (box[2:] - box[:2]) / 2
    squares = 1 / half**2
    place = [*-squares, *(2 * squares * centre), 1 - (squares * centre**2).sum()]
    return np.array([[1.0, -1.0, *place]], np.float32)


def drawn(kernel: np.ndarray, x: float, y: float) -> float:
    x, y = x - 0.5, y - 0.5
    return float(kernel[0, -5:] @ np.array([x * x, y * y, x, y, 1.0]))


@pytest.mark.parametrize(
    "end", [(0.2, 0.2, 0.4, 0.6), (0.5, 0.1, 0.7, 0.5), (0.1, 0.1, 0.4, 0.4), (-0.1, 0.6, 0.2, 1.3)]
)
def test_a_kernel_s_place_goes_where_its_object_goes(end):
    target = np.array([end], np.float32)
    moved = cells.move_kernels(ellipse(UNIT[0]), UNIT, target)
    assert moved[0, :2].tolist() == [1.0, -1.0]
    expected = ellipse(target[0])
    for x, y in ((0.1, 0.2), (0.5, 0.5), (0.9, 0.3)):
        assert drawn(moved, x, y) == pytest.approx(drawn(expected, x, y), rel=1e-3, abs=1e-3)
    assert cells.move_boxes(UNIT, UNIT, target)[0].tolist() == pytest.approx(list(end), abs=1e-6)


def test_an_object_that_did_not_move_keeps_its_kernel():
    kernel = ellipse(UNIT[0])
    assert cells.move_kernels(kernel, UNIT, UNIT) == pytest.approx(kernel, rel=1e-5)


def test_growth_is_bounded():
    tiny = boxes((0.29, 0.39, 0.31, 0.41))
    width, height = np.diff(cells.move_boxes(UNIT, UNIT, tiny)[0].reshape(2, 2), axis=0)[0]
    assert (width, height) == pytest.approx((0.1, 0.2), abs=1e-6)
