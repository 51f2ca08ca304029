"""The frame goes into the network's input with its aspect kept, and masks come back to where they were."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.letterbox import STRIP, Letterbox, LetterboxResizer, average
from mobilevis.runtime.masks import logit, to_frame

sizes = st.tuples(st.integers(16, 400), st.integers(16, 400))


@given(sizes)
def test_content_fills_one_side_and_keeps_the_aspect(size):
    box = Letterbox.fit(size, (128, 256))
    height, width = box.content_size
    assert height == 128 or width == 256
    assert height <= 128
    assert width <= 256
    scale = min(128 / size[0], 256 / size[1])
    assert abs(height - size[0] * scale) <= 0.5 + 1e-9 or height == 1
    assert abs(width - size[1] * scale) <= 0.5 + 1e-9 or width == 1


@given(sizes)
def test_padding_is_black_and_content_is_not_touched_by_it(size):
    box = Letterbox.fit(size, (64, 128))
    tensor = LetterboxResizer(box).resize(np.full((*size, 3), 200, dtype=np.uint8))
    height, width = box.content_size
    assert tensor.shape == (1, 3, 64, 128)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert np.all(tensor[0, :, :height, :width] == 200.0)
    assert tensor.sum() == 200.0 * 3 * height * width


@given(sizes)
def test_nothing_of_a_frame_is_left_in_the_next_one_s_input(size):
    resizer = LetterboxResizer(Letterbox.fit(size, (64, 128)))
    first = resizer.resize(np.full((*size, 3), 255, dtype=np.uint8))
    assert first.any()
    assert not resizer.resize(np.zeros((*size, 3), dtype=np.uint8)).any()


def test_channels_stay_red_green_blue():
    frame = np.zeros((64, 128, 3), dtype=np.uint8)
    frame[..., 0], frame[..., 1], frame[..., 2] = 10, 20, 30
    tensor = LetterboxResizer(Letterbox.fit((64, 128), (64, 128))).resize(frame)
    assert tensor[0, :, 5, 5].tolist() == [10.0, 20.0, 30.0]


def test_shrinking_averages_instead_of_skipping():
    """A one-pixel chessboard is grey from afar; sampling single pixels would make it black or white."""
    frame = np.indices((512, 1024)).sum(axis=0) % 2 * 255
    resizer = LetterboxResizer(Letterbox.fit((512, 1024), (64, 128)))
    tensor = resizer.resize(np.repeat(frame[..., None], 3, 2).astype(np.uint8))
    assert 100 < tensor.min() <= tensor.max() < 155


@given(
    sizes,
    st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)),
    st.tuples(st.floats(0.2, 0.4), st.floats(0.2, 0.4)),
)
def test_a_mask_comes_back_to_its_place(size, corner, extent):
    """An analytic signed distance, sampled at the cells, returns the rectangle within a cell of its edge."""
    box, stride = Letterbox.fit(size, (128, 256)), 4
    rows, columns = box.content_cells(stride)
    down, across = box.cells_per_pixel(stride)
    y0, x0 = corner[0] * size[0], corner[1] * size[1]
    y1, x1 = y0 + extent[0] * size[0], x0 + extent[1] * size[1]
    y = ((np.arange(rows) + 0.5) / down)[:, None]
    x = ((np.arange(columns) + 0.5) / across)[None, :]
    distance = np.minimum(np.minimum(y - y0, y1 - y), np.minimum(x - x0, x1 - x))
    placed = to_frame(distance.astype(np.float32), box, stride, 0.0)
    if placed is None:
        assert min(y1 - y0, x1 - x0) < 2 * max(1 / down, 1 / across)
        return
    (left, top, right, bottom), mask = placed
    tolerance = 1.0 + max(1 / down, 1 / across)
    assert abs(left - x0) <= tolerance
    assert abs(top - y0) <= tolerance
    assert abs(right - x1) <= tolerance
    assert abs(bottom - y1) <= tolerance
    assert mask.any(axis=0)[[0, -1]].all()
    assert mask.any(axis=1)[[0, -1]].all()


@given(st.integers(0, 2**32 - 1), sizes)
def test_interpolating_a_part_is_interpolating_the_whole(seed, size):
    box, stride = Letterbox.fit(size, (64, 128)), 4
    rows, columns = box.content_cells(stride)
    logits = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32) - 1.0
    down, across = box.cells_per_pixel(stride)
    y = np.clip((np.arange(size[0]) + 0.5) * down - 0.5, 0, rows - 1)
    x = np.clip((np.arange(size[1]) + 0.5) * across - 0.5, 0, columns - 1)
    along_y = np.stack([np.interp(y, np.arange(rows), column) for column in logits.T], axis=1)
    whole = np.stack([np.interp(x, np.arange(columns), row) for row in along_y])
    mask = np.zeros(size, dtype=bool)
    placed = to_frame(logits, box, stride, 0.0)
    if placed is not None:
        (x0, y0, x1, y1), inside = placed
        mask[y0:y1, x0:x1] = inside
    clear = np.abs(whole) > 1e-4  # what is nearer to the threshold may be rounded to either side
    assert np.array_equal(mask[clear], (whole > 0)[clear])


def test_an_empty_mask_has_no_box():
    assert to_frame(np.full((16, 32), -1, np.float32), Letterbox.fit((64, 128), (64, 128)), 4, 0.0) is None


def test_logit_inverts_the_sigmoid():
    assert 1 / (1 + np.exp(-logit(0.45))) == pytest.approx(0.45)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3 * STRIP), st.integers(1, 24))
def test_averaging_by_three_is_opencv_s_to_the_bit(seed, rows, columns):
    picture = np.random.default_rng(seed).integers(0, 256, (3 * rows, 3 * columns, 3), dtype=np.uint8)
    into = np.empty((rows, columns, 3), dtype=np.uint8)
    expected = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
    assert np.array_equal(average(picture, into), expected)


def test_averaging_by_three_rounds_every_sum_as_division_does():
    sums = np.arange(9 * 255 + 1)
    pixels = np.stack([(sums + k) // 9 for k in range(9)], axis=1).astype(np.uint8)
    picture = pixels.reshape(-1, 3, 1).repeat(3, axis=2).reshape(-1, 3, 3)
    into = np.empty((len(sums), 1, 3), dtype=np.uint8)
    assert np.array_equal(average(picture, into)[:, 0, 0], np.rint(sums / 9))
