"""COCO instances: what is written is read again, and a malformed record is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.data.coco import load_coco, load_coco_results, save_coco, save_coco_results
from mobilevis.data.datasets import ImageResult
from mobilevis.runtime.errors import UserError

from .conftest import SIZE, rectangle

COCO_TINY = Path(__file__).parents[2].parent / "shared" / "coco_tiny"


@pytest.fixture
def raw(image_set, tmp_path):
    """The set's file as JSON."""
    save_coco(image_set, tmp_path / "set.json")
    return json.loads((tmp_path / "set.json").read_text())


def test_a_set_is_read_as_it_was_written(image_set, tmp_path):
    save_coco(image_set, tmp_path / "set.json")
    assert load_coco(tmp_path / "set.json") == image_set


def test_results_are_read_as_they_were_written(image_set, tmp_path):
    results = [ImageResult(9, 3, 0.25, rectangle(1, 1)), ImageResult(5, 17, 1.0, rectangle(3, 3))]
    save_coco_results(results, tmp_path / "results.json")
    assert load_coco_results(tmp_path / "results.json", image_set) == results


def test_annotations_are_grouped_by_image(image_set):
    grouped = {key: [a.id for a in group] for key, group in image_set.annotations_by_image.items()}
    assert grouped == {5: [1, 2], 9: [3]}


def test_area_and_box_come_from_the_mask_where_the_file_has_none(raw, image_set, write_json):
    for annotation in raw["annotations"]:
        del annotation["area"], annotation["bbox"]
    assert load_coco(write_json(raw)) == image_set


def test_a_test_split_has_no_annotations(raw, write_json):
    del raw["annotations"]
    assert load_coco(write_json(raw)).annotations == ()


def test_extra_fields_are_ignored(raw, image_set, write_json):
    raw["info"] = raw["annotations"][0]["attributes"] = {"year": 2017}
    assert load_coco(write_json(raw)) == image_set


# what is wrong → (where to put it, the value; ... removes the field, the words of the message)
FAULTS = {
    "image id unknown": (("annotations", 0, "image_id"), 77, "image_id 77 is unknown"),
    "category unknown": (("annotations", 0, "category_id"), 1, "category_id 1 is unknown"),
    "annotation id twice": (("annotations", 1, "id"), 1, "id 1 was used before"),
    "image id twice": (("images", 1, "id"), 5, "id 5 was used before"),
    "category id twice": (("categories", 1, "id"), 3, "id 3 was used before"),
    "id is no number": (("annotations", 0, "id"), "1", "id '1' is not a whole number"),
    "id is missing": (("annotations", 0, "id"), ..., "id is missing"),
    "no file name": (("images", 0, "file_name"), ..., "file_name is missing"),
    "a file name outside": (("images", 0, "file_name"), "../x.jpg", "leaves its folder"),
    "an absolute file name": (("images", 0, "file_name"), "/etc/passwd", "leaves its folder"),
    "a Windows file name outside": (("images", 0, "file_name"), "..\\x.jpg", "leaves its folder"),
    "height zero": (("images", 0, "height"), 0, "size 0x32"),
    "height huge": (("images", 0, "height"), 10**9, "size 1000000000x32"),
    "width fractional": (("images", 0, "width"), 31.5, "width 31.5 is not a whole number"),
    "segmentation missing": (("annotations", 0, "segmentation"), ..., "neither RLE nor polygons"),
    "RLE of another size": (("annotations", 0, "segmentation", "size"), [32, 24], "is of size [32, 24]"),
    "RLE too short": (("annotations", 0, "segmentation", "counts"), "0", "RLE runs do not fill"),
    "RLE cut off": (("annotations", 0, "segmentation", "counts"), "P", "cut off"),
    "RLE not text": (("annotations", 0, "segmentation", "counts"), 7, "neither a string nor a list"),
    "area not finite": (("annotations", 0, "area"), float("nan"), "area is not finite"),
    "area huge": (("annotations", 0, "area"), 10**400, "area is not finite"),
    "box of three": (("annotations", 0, "bbox"), [1, 2, 3], "bbox has 3 items, not 4"),
    "crowd of two": (("annotations", 0, "iscrowd"), 2, "iscrowd 2 is not 0 or 1"),
    "annotations no list": (("annotations",), {"id": 1}, "annotations is not a list"),
    "annotation no object": (("annotations", 0), 7, "annotations[0] is not a JSON object"),
    "images missing": (("images",), ..., "images is missing"),
    "categories missing": (("categories",), ..., "categories is missing"),
    "category without a name": (("categories", 0, "name"), "", "name '' is not a text"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_malformed_file_is_refused_with_the_record_named(raw, write_json, fault):
    (*parents, last), value, words = FAULTS[fault]
    broken = place = copy.deepcopy(raw)
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    path = write_json(broken)
    with pytest.raises(UserError) as refusal:
        load_coco(path, strict=True)
    assert words in refusal.value.what
    assert refusal.value.file == path
    if len(parents) > 1:
        assert f"{parents[0]}[{parents[1]}]" in refusal.value.what


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_annotation_file_is_refused(tmp_path, content):
    path = tmp_path / "set.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"set\.json"):
        load_coco(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        load_coco(tmp_path / "none.json")


def test_a_missing_image_is_refused_where_the_folder_is_given(raw, write_json, tmp_path):
    path = write_json(raw)
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(UserError, match=r"images\[1\] \(id 9\): image .*c\.jpg is missing"):
        load_coco(path, tmp_path)


# what is wrong with a result → the field, its value, the words of the message
RESULT_FAULTS = {
    "image unknown": ("image_id", 1, "image_id 1 is unknown"),
    "category unknown": ("category_id", 2, "category_id 2 is unknown"),
    "score is text": ("score", "0.5", "score '0.5' is not a number"),
    "score is true": ("score", True, "score True is not a number"),
    "score not finite": ("score", float("inf"), "score is not finite"),
    "score is null": ("score", None, "score None is not a number"),
    "another size": ("segmentation", rectangle(0, 0, size=(8, 8)), "is of size [8, 8]"),
    "no segmentation": ("segmentation", None, "neither RLE nor polygons"),
}


@pytest.mark.parametrize("fault", RESULT_FAULTS)
def test_a_malformed_result_is_refused_with_the_record_named(image_set, write_json, fault):
    key, value, words = RESULT_FAULTS[fault]
    good = {"image_id": 5, "category_id": 3, "score": 0.5, "segmentation": rectangle(0, 0)}
    with pytest.raises(UserError) as refusal:
        load_coco_results(write_json([good, {**good, key: value}]), image_set)
    assert words in refusal.value.what
    assert "results[1]" in refusal.value.what


def test_results_must_be_a_list(image_set, write_json):
    with pytest.raises(UserError, match="results is not a list"):
        load_coco_results(write_json({"image_id": 5}), image_set)


@pytest.mark.skipif(not COCO_TINY.is_dir(), reason="shared/coco_tiny is not beside the checkout")
@pytest.mark.parametrize(("split", "annotations"), [("train2017", 705), ("val2017", 815)])
def test_a_real_set_is_read_as_pycocotools_reads_it(split, annotations):
    coco = pytest.importorskip("pycocotools.coco")
    path = COCO_TINY / "annotations" / f"instances_{split}.json"
    dataset = load_coco(path, COCO_TINY / split)
    assert len(dataset.images) == 80
    assert len(dataset.annotations) == annotations
    reference = coco.COCO(str(path))
    for annotation in dataset.annotations:
        theirs = reference.annToRLE(reference.anns[annotation.id])
        assert annotation.segmentation["counts"] == theirs["counts"].decode()
