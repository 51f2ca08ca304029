"""RLE is COCO's own, bit for bit, and refuses what is no mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mobilevis.runtime import rle

masks = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda size: arrays(np.bool_, size))


@given(masks)
def test_decoding_returns_the_encoded_mask(mask):
    assert np.array_equal(rle.decode(rle.encode(mask)), mask)


@given(masks)
def test_encoding_is_that_of_pycocotools(mask):
    reference = pytest.importorskip("pycocotools.mask").encode(np.asfortranarray(mask, dtype=np.uint8))
    assert rle.encode(mask)["counts"] == reference["counts"].decode()
    assert rle.area(rle.encode(mask)) == mask.sum()


@given(masks, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_encoding_inside_a_box_is_encoding_of_the_whole_frame(mask, left, top, right, bottom):
    frame = np.pad(mask, ((top, bottom), (left, right)))
    box = (left, top, left + mask.shape[1], top + mask.shape[0])
    assert rle.encode_in_box(mask, box, frame.shape) == rle.encode(frame)


def test_long_runs_survive():
    mask = np.zeros((2000, 3000), dtype=np.bool_)
    mask[1999, 2999] = True
    assert np.array_equal(rle.decode(rle.encode(mask)), mask)


def test_uncompressed_counts_are_read():
    assert rle.decode({"size": [2, 2], "counts": [1, 2, 1]}).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    "record",
    [
        {"size": [2, 2], "counts": ""},
        {"size": [2, 2], "counts": "5"},
        {"size": [2, 2], "counts": "P"},
        {"size": [2, 2], "counts": "PPPPPPPPPPP0"},
        {"size": [2, 2], "counts": "€"},
        {"size": [2, 2], "counts": [1, -1, 4]},
        {"size": [2, 2], "counts": None},
        {"size": [2], "counts": "4"},
        {"size": [1 << 20, 1 << 20], "counts": "4"},
        {"counts": "4"},
    ],
)
def test_what_is_no_mask_is_refused(record):
    with pytest.raises(ValueError, match="RLE"):
        rle.decode(record)
