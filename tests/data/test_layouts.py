"""Where a set's parts are found in the folders that annotation tools export."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.data.coco import save_coco
from mobilevis.data.datasets import Image, ImageDataset
from mobilevis.data.layouts import find_held_out, find_set
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError


def write_coco(annotations: Path, images: Path) -> None:
    for place in (annotations.parent, images):
        place.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(images / "a.png"), np.zeros((4, 4, 3), np.uint8))
    save_coco(ImageDataset((Category(1, "cup"),), (Image(1, "a.png", 4, 4),), ()), annotations)


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations/instances_train.json", "train"),
        ("annotations/instances_train2017.json", "train2017"),
        ("annotations/instances_default.json", "images"),  # CVAT
        ("train/_annotations.coco.json", "train"),  # Roboflow
        ("result.json", "images"),  # Label Studio
        ("train.json", "train"),
        ("instances.json", "images"),
    ],
)
def test_a_coco_set_is_found_in_its_folder(tmp_path, annotations, images):
    write_coco(tmp_path / annotations, tmp_path / images)
    place = find_set(tmp_path)
    assert place is not None
    assert (place.format, place.annotations) == ("coco", tmp_path / annotations)
    assert (place.images / "a.png").is_file()


def test_a_held_out_part_is_found_where_there_is_one(tmp_path):
    write_coco(tmp_path / "annotations/instances_train.json", tmp_path / "train")
    assert find_set(tmp_path, "val") is None
    write_coco(tmp_path / "annotations/instances_val.json", tmp_path / "val")
    assert find_set(tmp_path, "val") == (
        "coco",
        tmp_path / "annotations/instances_val.json",
        tmp_path / "val",
    )


@pytest.mark.parametrize("split", ["val", "valid"])
def test_the_part_that_is_held_out_has_two_names(tmp_path, split):
    write_coco(tmp_path / "train/_annotations.coco.json", tmp_path / "train")
    assert find_held_out(tmp_path) is None
    write_coco(tmp_path / split / "_annotations.coco.json", tmp_path / split)
    found = find_held_out(tmp_path)
    assert found is not None
    assert found.images == tmp_path / split


@pytest.mark.parametrize("images", ["images/train", "train/images", "images"])
def test_yolo_labels_are_found_by_their_yaml(tmp_path, images):
    (tmp_path / images).mkdir(parents=True)
    (tmp_path / "data.yaml").touch()
    assert find_set(tmp_path) == find_set(tmp_path / "data.yaml")
    assert find_set(tmp_path) == ("yolo-seg", tmp_path / "data.yaml", tmp_path / images)
    assert find_set(tmp_path, "val") is None


def test_a_folder_without_annotations_names_those_that_are_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"it needs one of data\.yaml.*instances_train.*result\.json"):
        find_set(tmp_path)


def test_labels_without_images_are_refused(tmp_path):
    (tmp_path / "data.yaml").touch()
    with pytest.raises(UserError, match="put them into images/train"):
        find_set(tmp_path)
