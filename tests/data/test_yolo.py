"""YOLO segmentation labels: what they mean, and that a malformed line is named."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.data import yolo
from mobilevis.data.yolo import label_folder, load_yolo, read_names
from mobilevis.runtime import rle
from mobilevis.runtime.errors import UserError

SQUARE = "0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"
HEIGHT, WIDTH = 20, 40
PICKLE = "names: !!python/object/apply:os.getcwd []"


class YoloSet:
    """A folder with a picture ``a.png`` and its labels."""

    def __init__(self, folder: Path) -> None:
        self.names, self.images = folder / "data.yaml", folder / "images" / "train"
        self.labels = folder / "labels" / "train"
        for place in (self.images, self.labels):
            place.mkdir(parents=True)
        self.names.write_text("names: [cup, flask]\ntrain: images/train\n")
        cv2.imwrite(str(self.images / "a.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))

    def label(self, text: str) -> None:
        (self.labels / "a.txt").write_text(text)

    def load(self, strict: bool = False):
        return load_yolo(self.names, self.images, strict)


@pytest.fixture
def labels(tmp_path: Path) -> YoloSet:
    return YoloSet(tmp_path)


def test_a_line_is_an_object_in_fractions_of_the_image(labels):
    labels.label(f"1 {SQUARE}\n")
    found = labels.load()
    (annotation,) = found.annotations
    assert found.category_by_id[annotation.category_id].name == "flask"
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[5:15, 10:30] = True
    assert np.array_equal(rle.decode(annotation.segmentation), expected)
    assert annotation.bbox == (10, 5, 20, 10)
    assert annotation.area == 200


def test_an_image_without_labels_shows_nothing(labels):
    found = labels.load()
    assert [image.file_name for image in found.images] == ["a.png"]
    assert found.annotations == ()


def test_names_are_a_list_or_a_table_by_index(labels):
    labels.names.write_text("names:\n  1: flask\n  0: cup\n")
    assert read_names(labels.names) == ["cup", "flask"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "names: 3",
        "names: {0: cup, 2: flask}",
        "names: [1, 2]",
        "names: [a, a]",
        "[",
        "a: !!python/name:os.system",
    ],
)
def test_other_names_are_refused(labels, text):
    labels.names.write_text(text)
    with pytest.raises(UserError, match=r"data\.yaml"):
        read_names(labels.names)


def test_a_file_that_is_too_long_is_not_read(labels, monkeypatch):
    monkeypatch.setattr(yolo, "MAX_LABEL_BYTES", 10)
    labels.label(f"1 {SQUARE}\n")
    with pytest.raises(UserError, match="larger than"):
        labels.load()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("cup 0 0 1 1 1 0", "line 2: not a list of numbers"),
        ("2 0 0 1 1 1 0", "line 2: class 2 is not 0 to 1"),
        ("0.5 0 0 1 1 1 0", "line 2: class 0.5 is not 0 to 1"),
        ("nan 0 0 1 1 1 0", "line 2: class nan is not 0 to 1"),
        ("0 0 0 1 1 1 nan", r"line 2: a point does not lie in \[0, 1\]"),
        ("0 0 0 1 1 1 1.5", r"line 2: a point does not lie in \[0, 1\]"),
        ("0 0 0 1 1 1", "line 2: 5 numbers are not three or more"),
        ("0", "line 2: 0 numbers are not three or more"),
    ],
)
def test_a_malformed_line_is_named(labels, line, what):
    labels.label(f"1 {SQUARE}\n{line}\n")
    with pytest.raises(UserError, match=what):
        labels.load()


def test_points_outside_by_rounding_are_moved_to_the_edge(labels):
    labels.label("0 0 0 1.0001 0 1.0001 1 0 1\n")
    assert labels.load().annotations[0].area == HEIGHT * WIDTH


def test_boxes_are_dropped_and_counted_or_refused(labels):
    labels.label(f"1 {SQUARE}\n0 0.5 0.5 0.2 0.2\n")
    found = labels.load()
    assert len(found.annotations) == 1
    assert found.notes == ("annotations: 1 boxes without a mask dropped (--strict refuses them)",)
    with pytest.raises(UserError, match="line 2: 4 numbers are not three or more"):
        labels.load(strict=True)


def test_an_image_that_a_flag_turns_is_refused(labels):
    picture = cv2.imencode(".jpg", np.arange(HEIGHT * WIDTH * 3, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3))[1]
    # An Exif segment whose one entry is Orientation (0x0112) = 6.
    entry = bytes.fromhex("0112 0003 00000001 0006 0000")
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + b"\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (labels.images / "b.jpg").write_bytes(picture.tobytes()[:2] + segment + picture.tobytes()[2:])
    with pytest.raises(UserError, match=r"turned by an orientation flag .*b\.jpg"):
        labels.load()


def test_a_folder_without_images_is_refused(labels):
    with pytest.raises(UserError, match="no images in this folder"):
        load_yolo(labels.names, labels.labels)


def test_labels_lie_beside_the_last_folder_of_images():
    assert label_folder(Path("images/set/images/train")) == Path("images/set/labels/train")
    assert label_folder(Path("set/photos")) == Path("set/photos")
