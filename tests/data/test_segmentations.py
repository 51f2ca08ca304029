"""COCO's three spellings of a mask."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mobilevis.data.records import Record
from mobilevis.data.segmentations import bounding_box, read_segmentation
from mobilevis.runtime import rle
from mobilevis.runtime.errors import UserError

RECORD = Record({}, "annotations[0] (id 1)", Path("set.json"))

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=16))


@given(masks)
def test_compressed_and_uncompressed_runs_are_the_same_mask(mask):
    compressed = rle.encode(mask)
    uncompressed = {"size": compressed["size"], "counts": rle.run_lengths(compressed).tolist()}
    for spelling in (compressed, uncompressed):
        assert read_segmentation(spelling, mask.shape, RECORD) == compressed


@given(masks)
def test_the_box_is_the_smallest_that_holds_the_mask(mask):
    x, y, width, height = map(int, bounding_box(rle.encode(mask)))
    inside = np.zeros_like(mask)
    inside[y : y + height, x : x + width] = True
    assert not (mask & ~inside).any()
    if mask.any():
        for border in (mask[y], mask[y + height - 1], mask[:, x], mask[:, x + width - 1]):
            assert border.any()
    else:
        assert (width, height) == (0, 0)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(-8, 48), st.integers(-8, 40)), min_size=3, max_size=8),
        min_size=1,
        max_size=3,
    )
)
def test_polygons_are_rasterised_as_pycocotools_does(polygons):
    coco = pytest.importorskip("pycocotools.mask")
    flat = [[float(c) for point in polygon for c in point] for polygon in polygons]
    theirs = coco.decode(coco.merge(coco.frPyObjects(flat, 32, 40))).astype(bool)
    np.testing.assert_array_equal(rle.decode(read_segmentation(flat, (32, 40), RECORD)), theirs)


@pytest.mark.parametrize(
    ("polygons", "words"),
    [
        ([], "no polygon"),
        ([[1, 1, 2, 2]], "three x, y pairs"),
        ([[1, 1, 2, 2, 3]], "three x, y pairs"),
        ([[1, 1, 2, 2, 3, "4"]], "'4' is not a number"),
        ([[1, 1, 2, 2, 3, float("nan")]], "not finite"),
        ([[1, 1, 2, 2, 3, 1e9]], "far outside"),
        ([7], "three x, y pairs"),
        ([[-8, -8, 72, 56] * 10_000], "pixels long"),
    ],
)
def test_a_broken_polygon_is_refused(polygons, words):
    with pytest.raises(UserError, match=words):
        read_segmentation(polygons, (32, 40), RECORD)


def test_polygons_without_pycocotools_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(UserError, match=r"pip install .mobilevis\[data\]"):
        read_segmentation([[1, 1, 8, 1, 8, 8]], (32, 40), RECORD)
