"""Masks that were predicted inside boxes come to lie where the boxes are in the source frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import box_to_frame

INPUT = (64, 128)
sides = st.integers(8, 300)
edges = st.tuples(st.floats(-0.3, 1.2), st.floats(0.001, 1.5))


def place(logits, box, letterbox):
    return box_to_frame(np.asarray(logits, np.float32), np.asarray(box, np.float32), letterbox, 0.0)


@given(st.tuples(sides, sides), edges, edges)
def test_a_full_mask_covers_the_pixels_whose_centres_lie_in_the_box(frame_size, horizontal, vertical):
    letterbox = Letterbox.fit(frame_size, INPUT)
    (x0, width), (y0, height) = horizontal, vertical
    box = np.array([x0, y0, x0 + width, y0 + height], np.float32)
    rows = (np.arange(frame_size[0]) + 0.5) * letterbox.content_size[0] / frame_size[0] / INPUT[0]
    columns = (np.arange(frame_size[1]) + 0.5) * letterbox.content_size[1] / frame_size[1] / INPUT[1]
    expected = np.outer((rows >= box[1]) & (rows < box[3]), (columns >= box[0]) & (columns < box[2]))
    placed = place(np.ones((4, 4)), box, letterbox)
    actual = np.zeros(frame_size, dtype=bool)
    if placed is not None:
        (left, top, right, bottom), mask = placed
        actual[top:bottom, left:right] = mask
    # An edge that falls on a pixel's centre may round to either side.
    assert np.count_nonzero(actual != expected) <= sum(frame_size)
    assert (placed is None) == (not actual.any())


def test_cells_share_out_the_box_evenly():
    letterbox = Letterbox.fit(INPUT, INPUT)
    logits = -np.ones((2, 2))
    logits[0, 1] = 1.0
    (x0, y0, x1, y1), mask = place(logits, [0.25, 0.25, 0.75, 0.75], letterbox)
    # The upper right quarter of columns 32 … 96 and rows 16 … 48, its edge where interpolation crosses 0.
    assert (x0, y0, x1, y1) == (64, 16, 96, 32)
    assert mask.mean() > 0.9


def test_a_box_outside_the_frame_or_an_empty_mask_gives_nothing():
    letterbox = Letterbox.fit(INPUT, INPUT)
    assert place(np.ones((4, 4)), [1.1, 0.2, 1.4, 0.5], letterbox) is None
    assert place(np.ones((4, 4)), [0.2, 0.2, 0.2, 0.5], letterbox) is None
    assert place(-np.ones((4, 4)), [0.2, 0.2, 0.6, 0.5], letterbox) is None
