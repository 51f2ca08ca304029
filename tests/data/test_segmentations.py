"""COCO's three spellings of a mask."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mobilevis.data import records as records_module
from mobilevis.data.coco import load_coco
from mobilevis.data.records import OUTLINE_OF_A_BYTE, SMALL_FILE_BYTES, OutlineBudget, Record
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


@pytest.mark.parametrize("beyond", [0, 1])
def test_polygons_of_a_file_are_bounded_together(beyond):
    """A triangle across 16384 pixels takes 75 bytes of a file, and 3 ms."""
    record = Record({}, "annotations[7]", Path("set.json"), OutlineBudget(limit=3 * 90 - beyond))
    triangle = [[0, 0, 30, 0, 30, 30]]  # 90 pixels around
    for _ in range(2):
        read_segmentation(triangle, (32, 40), record)
    if beyond:
        with pytest.raises(UserError, match=r"annotations\[7\]: the polygons .* 269 pixels .*as RLE"):
            read_segmentation(triangle, (32, 40), record)
    else:
        read_segmentation(triangle, (32, 40), record)


def test_a_file_of_giant_triangles_is_refused_before_they_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(records_module, "MAX_OUTLINES", 1 << 17)
    giant = {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 9, 16383, 16383, 0]]}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 16384, "width": 16384}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": i, **giant} for i in range(1, 4)],
    }
    (tmp_path / "set.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"annotations\[2\]"):
        load_coco(tmp_path / "set.json")


def test_a_large_file_may_hold_more(tmp_path):
    path = tmp_path / "large.json"
    path.touch()
    small = OutlineBudget.of_file(path).limit
    with path.open("wb") as stream:
        stream.truncate(SMALL_FILE_BYTES + 1000)
    assert OutlineBudget.of_file(path).limit == small + 1000 * OUTLINE_OF_A_BYTE
