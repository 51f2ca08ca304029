"""``mobilevis train``: a set of one's own by its folder."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

TINY = (
    "model.name=mobileinst-topformer-tiny",
    "model.checkpoint=",
    "model.by_class=[]",
    "model.options={ num_queries = 5, dim = 32, heads = 4 }",
    "objective={}",
    "optimizer.multipliers={}",
    "data.batch_size=1",
    "data.canvas=[128, 128]",
    "schedule.iterations=1",
    "schedule.warmup=0",
    "run.threads=1",
)


@pytest.fixture
def yolo(tmp_path):
    """A picture of a cup with its polygon."""
    for folder in ("images/train", "labels/train"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "set/images/train/a.png"), np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "set/labels/train/a.txt").write_text("0 0 0 0.5 0 0.5 0.5 0 0.5\n")
    (tmp_path / "set/data.yaml").write_text("names: [cup]\n")
    return tmp_path / "set"


def test_a_folder_is_trained_on(mobilevis, yolo, tmp_path):
    options = [part for value in TINY for part in ("--set", value)]
    done = mobilevis("train", "starter", "--data", yolo, *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/starter/model.safetensors").is_file()


def test_what_the_folder_holds_out_validates_a_run(mobilevis_here, yolo, tmp_path):
    for folder in ("images", "labels"):
        shutil.copytree(yolo / folder / "train", yolo / folder / "val")
    options = [part for value in TINY for part in ("--set", value)]
    done = mobilevis_here("train", "starter", "--data", yolo, *options)
    assert done.returncode == 0, done.stderr
    assert "iteration 1: AP" in done.stdout
    assert (tmp_path / "runs/starter/best.safetensors").is_file()


def test_labels_in_yolos_format_validate_a_run(mobilevis_here, yolo, tmp_path):
    held_out = {"annotations": yolo / "data.yaml", "images": yolo / "images/train", "every": 1}
    values = (*TINY, *(f"validation.{key}={value}" for key, value in held_out.items()))
    done = mobilevis_here(
        "train", "starter", "--data", yolo, *(part for value in values for part in ("--set", value))
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/starter/best.safetensors").is_file()
    assert (tmp_path / "runs/starter/validation.csv").read_text().count("\n") == 2


def test_an_option_is_stronger_than_the_folder(refused_here, yolo):
    options = ("--set", "data.annotations=other.yaml", "--set", "model.checkpoint=")
    line = refused_here("train", "starter", "--data", yolo, *options)
    assert "other.yaml" in line


def test_a_folder_without_a_set_is_refused(refused_here, tmp_path):
    assert "no annotations of COCO's or YOLO's format" in refused_here("train", "starter", "--data", tmp_path)
