"""COCO instances: what is written is read again, and a malformed record is named."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.data.coco import load_coco, load_coco_results, save_coco, save_coco_results
from mobilevis.data.datasets import ImageResult
from mobilevis.runtime import rle
from mobilevis.runtime.errors import UserError

from .conftest import SIZE, rectangle


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


def test_what_an_image_labels_is_kept(image_set, tmp_path):
    images = (replace(image_set.images[0], labelled_classes=("cat",)), *image_set.images[1:])
    some = replace(image_set, images=images)
    save_coco(some, tmp_path / "set.json")
    assert load_coco(tmp_path / "set.json") == some


@pytest.mark.parametrize("value", ["cat", [3], {"cat": 1}])
def test_labelled_classes_are_a_list_of_names(raw, write_json, value):
    raw["images"][1]["labelled_classes"] = value
    with pytest.raises(UserError, match=r"images\[1\] \(id 9\): labelled_classes is not a list"):
        load_coco(write_json(raw))


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


POLYGON = [2.0, 2.0, 20.0, 2.0, 20.0, 18.0, 2.0, 18.0]

# how a careless writer spells an annotation → the fields that differ, the polygons read, (dropped, repaired)
CARELESS = {
    "a box alone": ({"segmentation": ...}, None, (1, 0)),
    "a box with an empty mask": ({"segmentation": []}, None, (1, 0)),
    "a box with a null mask": ({"segmentation": None}, None, (1, 0)),
    "one point": ({"segmentation": [[1.0, 1.0]]}, None, (1, 0)),
    "a short polygon behind a good one": ({"segmentation": [POLYGON, [3, 3, 20, 40]]}, [POLYGON], (0, 1)),
    "a short polygon before a good one": ({"segmentation": [[3, 3, 20, 40], POLYGON]}, [POLYGON], (0, 1)),
    "an empty polygon": ({"segmentation": [POLYGON, []]}, [POLYGON], (0, 1)),
    "an odd number behind a polygon": ({"segmentation": [[*POLYGON, 9.0]]}, [POLYGON], (0, 1)),
    "a null area": ({"segmentation": [POLYGON], "area": None}, [POLYGON], (0, 1)),
    "an area that is no number": ({"segmentation": [POLYGON], "area": float("nan")}, [POLYGON], (0, 1)),
    "a null iscrowd": ({"segmentation": [POLYGON], "iscrowd": None}, [POLYGON], (0, 1)),
    "a null box": ({"segmentation": [POLYGON], "bbox": None}, [POLYGON], (0, 1)),
}


@pytest.mark.parametrize("case", CARELESS)
def test_a_careless_annotation_is_read_as_pycocotools_reads_it(raw, write_json, case):
    mask = pytest.importorskip("pycocotools.mask")
    fields, polygons, (dropped, repaired) = CARELESS[case]
    for key, value in fields.items():
        if value is ...:
            del raw["annotations"][0][key]
        else:
            raw["annotations"][0][key] = value
    path = write_json(raw)
    dataset = load_coco(path)
    (note,) = dataset.notes
    assert note.startswith(f"annotations: {dropped} without a mask dropped, {repaired} with")
    found = {annotation.id: annotation for annotation in dataset.annotations}
    assert len(found) == 3 - dropped
    if polygons is not None:
        theirs = mask.merge(mask.frPyObjects(polygons, *SIZE))
        assert found[1].segmentation["counts"] == theirs["counts"].decode()
        assert found[1].iscrowd is False
    with pytest.raises(UserError, match=r"annotations\[0\]"):
        load_coco(path, strict=True)


def test_a_good_set_has_nothing_to_say(raw, write_json):
    assert load_coco(write_json(raw)).notes == ()


@pytest.mark.parametrize("identity", [2**63, 2**64 + 1, -(2**70), 1e300])
def test_an_id_that_fits_no_integer_is_refused_in_one_line(raw, write_json, identity):
    raw["annotations"][0]["id"] = identity
    with pytest.raises(UserError, match="does not fit a 64-bit integer") as refusal:
        load_coco(write_json(raw))
    assert len(str(refusal.value)) < 300


def test_a_name_that_no_terminal_can_show_is_refused(raw, write_json):
    raw["categories"][0]["name"] = "\ud800"
    with pytest.raises(UserError, match="is not a text"):
        load_coco(write_json(raw))


def test_devices_and_pipes_are_no_annotation_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", Path("/dev/zero")):
        with pytest.raises(UserError, match="no regular file"):
            load_coco(path)


def test_every_spelling_of_a_mask_is_read_as_pycocotools_reads_it(raw, write_json, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    crowd = np.zeros(SIZE, dtype=bool)
    crowd[3:9, 4:30] = True
    runs = rle.run_lengths(rle.encode(crowd)).tolist()
    spellings = [[POLYGON, [1, 1, 9, 1, 9, 22]], {"size": list(SIZE), "counts": runs}, rle.encode(crowd)]
    for annotation, spelling in zip(raw["annotations"], spellings):
        annotation["segmentation"] = spelling
    path = write_json(raw)
    check_against_pycocotools(coco, path, load_coco(path))


@pytest.mark.parametrize(("split", "annotations"), [("train2017", 705), ("val2017", 815)])
def test_a_real_set_is_read_as_pycocotools_reads_it(data_root, split, annotations):
    coco = pytest.importorskip("pycocotools.coco")
    folder = data_root("coco_tiny")
    path = folder / "annotations" / f"instances_{split}.json"
    dataset = load_coco(path, folder / split)
    assert (len(dataset.images), len(dataset.annotations)) == (80, annotations)
    check_against_pycocotools(coco, path, dataset)


def check_against_pycocotools(coco, path, dataset):
    reference = coco.COCO(str(path))
    for annotation in dataset.annotations:
        theirs = reference.annToRLE(reference.anns[annotation.id])
        counts = theirs["counts"]
        assert annotation.segmentation["counts"] == (counts if isinstance(counts, str) else counts.decode())
