"""Sets of stills that are labelled in part, with crowds, or by YOLO's labels: what reaches the loss."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.training.samples.batches import SampleKey
from mobilevis.training.samples.config import AugmentConfig, DataConfig, SetConfig
from mobilevis.training.samples.dataset import TrainingSet, collate
from mobilevis.training.samples.sources import open_source

SIDE = 64
CUP = [[0, 0, 16, 0, 16, 16, 0, 16]]
CROWD = {"size": [SIDE, SIDE], "counts": [SIDE * SIDE // 2, SIDE * SIDE // 2]}  # the right half


def write_set(folder: Path, classes: list[str], **image: object) -> Path:
    """A picture with an object of the first class, and a crowd of them."""
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    about = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 16, 16], "area": 256}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": SIDE, "width": SIDE, **image}],
        "annotations": [
            {"id": 1, "segmentation": CUP, "iscrowd": 0, **about},
            {"id": 2, "segmentation": CROWD, "iscrowd": 1, **about},
        ],
        "categories": [{"id": index, "name": name} for index, name in enumerate(classes, 1)],
    }
    (folder / "set.json").write_text(json.dumps(content))
    return folder


def config(folder: Path, *also: Path, format: str = "coco", annotations: str = "set.json") -> DataConfig:
    return DataConfig(
        format=format,
        annotations=str(folder / annotations),
        images=str(folder),
        batch_size=1,
        canvas=(SIDE, SIDE),
        augment=AugmentConfig(flip=0.0),
        also=tuple(SetConfig(str(place / "set.json"), str(place), 0.4) for place in also),
    )


def targets(data: DataConfig):
    samples = TrainingSet(open_source(data), data, seed=0)
    return collate([samples[SampleKey(0, index)] for index in range(len(samples))]).targets


def test_a_set_is_labelled_wholly_where_it_does_not_say_otherwise(tmp_path):
    (found,) = targets(config(write_set(tmp_path / "set", ["cup", "flask"])))
    assert found.labelled is None


def test_classes_that_an_image_does_not_label_reach_the_loss(tmp_path):
    (found,) = targets(config(write_set(tmp_path / "set", ["cup", "flask"], labelled_classes=["cup"])))
    assert found.labelled is not None
    assert found.labelled.tolist() == [True, False]


def test_a_further_set_labels_its_own_classes_only(tmp_path):
    first = write_set(tmp_path / "first", ["cup", "flask"])
    second = write_set(tmp_path / "second", ["cup"])
    found = targets(config(first, second))
    assert found[0].labelled.all()
    assert found[1].labelled is not None
    assert found[1].labelled.tolist() == [True, False]


def test_a_crowd_is_no_object_but_a_place(tmp_path):
    (found,) = targets(config(write_set(tmp_path / "set", ["cup"])))
    assert len(found.labels) == 1
    assert found.crowd is not None
    assert found.crowd[:, 8:].all()
    assert not found.crowd[:, :8].any()


@pytest.mark.parametrize("names", ["names: [cup]", "names: {0: cup}"])
def test_yolo_labels_are_a_set_like_any_other(tmp_path, names):
    folder = write_set(tmp_path / "set", ["cup"])
    (folder / "data.yaml").write_text(names)
    (folder / "a.txt").write_text("0 0 0 0.25 0 0.25 0.25 0 0.25\n")
    (by_yolo,) = targets(config(folder, format="yolo-seg", annotations="data.yaml"))
    (by_coco,) = targets(config(folder))
    assert by_yolo.labels.tolist() == by_coco.labels.tolist() == [0]
    assert by_yolo.masks.equal(by_coco.masks)
