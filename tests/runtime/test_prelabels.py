"""COCO annotations of stills: outlines that a person corrects, and any reader of COCO takes."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mobilevis.data.coco import load_coco
from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category
from mobilevis.runtime.prelabels import CocoAnnotations, outline
from mobilevis.runtime.results import FrameResult, Instance

CLASSES = (Category(3, "cup"), Category(8, "flask"))
SIZE = (60, 80)


def instance(mask: np.ndarray, class_index: int = 1) -> Instance:
    rows, columns = np.nonzero(mask)
    x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    box = (int(x0), int(y0), int(x1), int(y1))
    return Instance(1, class_index, 0.75, box, mask[y0:y1, x0:x1], SIZE)


def disk(x: int, y: int, radius: int) -> np.ndarray:
    return cv2.circle(np.zeros(SIZE, np.uint8), (x, y), radius, 1, -1).astype(bool)


def written(tmp_path, *instances: Instance):
    sink = CocoAnnotations(tmp_path / "labels.json", CLASSES, lambda index: f"{index}.jpg")
    sink.write(np.zeros((*SIZE, 3), np.uint8), FrameResult(7, SIZE, instances, True))
    sink.close()
    return tmp_path / "labels.json"


def test_what_is_written_is_read_as_a_coco_set(tmp_path):
    mask = disk(40, 30, 15)
    found = load_coco(written(tmp_path, instance(mask)), strict=True)
    assert [(image.file_name, image.height, image.width) for image in found.images] == [("7.jpg", *SIZE)]
    (annotation,) = found.annotations
    assert annotation.category_id == 8
    again = rle.decode(annotation.segmentation)
    assert (again & mask).sum() / (again | mask).sum() > 0.95


def test_an_outline_has_few_points_to_drag():
    (polygon,) = outline(instance(disk(40, 30, 15)))
    assert 6 <= len(polygon) <= 40


def test_parts_of_a_mask_have_outlines_of_their_own():
    assert len(outline(instance(disk(20, 30, 8) | disk(60, 30, 8)))) == 2


def test_the_score_tells_what_to_look_at_first(tmp_path):
    content = json.loads(written(tmp_path, instance(disk(40, 30, 15))).read_text())
    assert content["annotations"][0]["score"] == 0.75
    assert content["categories"] == [{"id": 3, "name": "cup"}, {"id": 8, "name": "flask"}]


def test_a_picture_in_which_nothing_is_found_is_listed(tmp_path):
    content = json.loads(written(tmp_path).read_text())
    assert [image["file_name"] for image in content["images"]] == ["7.jpg"]
    assert content["annotations"] == []


@pytest.mark.parametrize("side", [1, 2])
def test_a_mask_of_a_few_pixels_makes_no_broken_polygon(side):
    mask = np.zeros(SIZE, bool)
    mask[5 : 5 + side, 5 : 5 + side] = True
    assert all(len(polygon) >= 6 for polygon in outline(instance(mask)))
