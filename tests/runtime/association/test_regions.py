"""What masks show: found from their cells, the same as from all of the grid's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mobilevis.runtime.association.regions import Foreground, find_foregrounds, pool_features
from mobilevis.runtime.masks import mask_iou

GRID, CONTENT, THRESHOLD = (12, 18), (12, 15), -0.4
logits = arrays.arrays(np.float32, GRID, elements=st.sampled_from([-3.0, -3.0, -3.0, -0.4, 0.5, 4.0]))


def look(values: np.ndarray) -> Foreground:
    return find_foregrounds(values[None], THRESHOLD, CONTENT)[0]


def drawn(shown: Foreground) -> np.ndarray:
    """The region, (1, *CONTENT)."""
    masks = np.zeros((1, *CONTENT), dtype=bool)
    region = shown.region
    masks[0, region.top : region.bottom, region.left : region.right] = region.mask
    return masks


@given(logits)
def test_a_region_is_the_content_s_foreground_in_a_tight_box(values):
    shown, expected = look(values), values[:, : CONTENT[1]] > THRESHOLD
    assert np.array_equal(drawn(shown)[0], expected)
    assert shown.region.area == expected.sum()
    if expected.any():
        assert shown.region.mask.any(axis=1)[[0, -1]].all()
        assert shown.region.mask.any(axis=0)[[0, -1]].all()
        assert shown.centre == pytest.approx(tuple(np.argwhere(expected).mean(axis=0)))
    else:
        assert shown.region.box == (0, 0, 0, 0)


@given(logits, logits, logits)
def test_a_mask_shows_what_it_shows_without_the_frame_s_others(first, second, third):
    masks = [np.full(GRID, -3.0, dtype=np.float32), first, second, third]
    for alone, shown in zip(map(look, masks), find_foregrounds(np.stack(masks), THRESHOLD, CONTENT)):
        assert (shown.region.box, shown.region.area) == (alone.region.box, alone.region.area)
        assert np.array_equal(shown.region.mask, alone.region.mask)
        assert (shown.centre, shown.maskness) == (alone.centre, alone.maskness)
        assert np.array_equal(shown.cells, alone.cells)
        assert np.array_equal(shown.probabilities, alone.probabilities)


@given(logits)
def test_maskness_is_that_of_the_content(values):
    inside = values[:, : CONTENT[1]].astype(np.float64)
    inside = inside[inside > THRESHOLD]
    expected = np.mean(1.0 / (1.0 + np.exp(-inside))) if inside.size else 0.0
    assert look(values).maskness == pytest.approx(expected, abs=1e-6)


@given(logits, logits, st.sampled_from([0.0, 0.2, 0.7]))
def test_overlap_is_that_of_the_whole_masks(first, second, least):
    expected = float(mask_iou(drawn(look(first)), drawn(look(second)))[0, 0])
    found = look(first).region.iou(look(second).region, least)
    assert found == pytest.approx(expected) or (found == 0.0 and expected < least)


@given(logits, st.integers(-20, 20), st.integers(-20, 20))
def test_a_region_moves_whole_cells_and_loses_what_leaves(values, down, right):
    shown = look(values)
    moved = shown.region.move(down, right, CONTENT)
    there = {(y + down, x + right) for y, x in np.argwhere(drawn(shown)[0]).tolist()}
    expected = {(y, x) for y, x in there if 0 <= y < CONTENT[0] and 0 <= x < CONTENT[1]}
    assert {(y + moved.top, x + moved.left) for y, x in np.argwhere(moved.mask).tolist()} == expected
    assert moved.area == len(expected)


def test_an_appearance_is_the_mean_of_the_features_under_a_mask_beyond_the_frames():
    features = np.zeros((2, 2, 3), dtype=np.float32)
    features[0, 0, 0], features[1, 1, 2] = 6.0, 12.0
    values = np.full((3, 4, 6), -8.0, dtype=np.float32)
    values[0, :2, :2] = values[1, 2:, 4:] = 3.0
    values[1, 2, 2] = 3.0  # a quarter of a cell more, which shows nothing
    masks = find_foregrounds(values, 0.0, (4, 6))
    expected = [[5.0, -2.0], [-1.0, 12.0 * 4 / 5 - 2.0], [0.0, 0.0]]
    assert np.allclose(pool_features(features, masks, (4, 6)), expected)
    assert pool_features(features, [], (4, 6)).shape == (0, 2)
    fine = np.repeat(np.repeat(features, 2, axis=1), 2, axis=2)
    assert np.allclose(pool_features(fine, masks, (4, 6)), expected)
