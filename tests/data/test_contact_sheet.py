"""A person can look at every kind of set and of results."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mobilevis.data.coco import save_coco, save_coco_results
from mobilevis.data.contact_sheet import GAP, SheetLayout, contact_sheet
from mobilevis.data.datasets import ImageResult, VideoResult
from mobilevis.data.images import write_png
from mobilevis.data.ytvis import save_ytvis, save_ytvis_results
from mobilevis.runtime.colors import track_color
from mobilevis.runtime.draw import OPACITY
from mobilevis.runtime.errors import UserError

from .conftest import SIZE, rectangle

LAYOUT = SheetLayout(rows=2, columns=3, tile_width=SIZE[1] * 4)
GREY = 90


@pytest.fixture
def video_folder(video_set, tmp_path):
    """The set in its published layout, all frames grey."""
    for video in video_set.videos:
        for name in video.file_names:
            path = tmp_path / "set" / "JPEGImages" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path.with_suffix(".png"), np.full((*SIZE, 3), GREY, np.uint8))
            path.with_suffix(".png").rename(path)
    save_ytvis(video_set, tmp_path / "set" / "instances.json")
    return tmp_path / "set"


@pytest.fixture
def image_folder(image_set, tmp_path):
    """The set in COCO's layout, all images grey."""
    for image in image_set.images:
        path = tmp_path / "val2017" / image.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((*SIZE, 3), GREY, np.uint8))
    (tmp_path / "annotations").mkdir()
    save_coco(image_set, tmp_path / "annotations" / "instances_val2017.json")
    return tmp_path


def tile(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    height, width = SIZE[0] * 4, SIZE[1] * 4
    return sheet[row * (height + GAP) :, column * (width + GAP) :][:height, :width]


def looks_marked(patch: np.ndarray, identity: int) -> bool:
    """Whether the patch is grey covered by the translucent colour of the identity."""
    expected = GREY * (1 - OPACITY) + np.array(track_color(identity)) * OPACITY
    return bool(np.abs(np.median(patch.reshape(-1, 3), axis=0) - expected).max() < 4)


def test_a_video_fills_a_row_and_its_tracks_keep_their_colour(video_folder):
    sheet = contact_sheet(video_folder, layout=LAYOUT)
    assert sheet.shape == (2 * (SIZE[0] * 4 + GAP), 3 * (SIZE[1] * 4 + GAP), 3)
    # Track 1 is at rows 2 to 8, columns 2 to 10 of the first frame, gone in the second, and moved by 2.
    inside = (slice(20, 30), slice(12, 36))
    assert looks_marked(tile(sheet, 0, 0)[inside], identity=1)
    assert not looks_marked(tile(sheet, 0, 1)[inside], identity=1)
    assert looks_marked(tile(sheet, 0, 2)[24:36, 20:44], identity=1)


def test_images_stand_side_by_side(image_folder):
    sheet = contact_sheet(image_folder / "annotations" / "instances_val2017.json", layout=LAYOUT)
    assert sheet.shape == (SIZE[0] * 4 + GAP, 3 * (SIZE[1] * 4 + GAP), 3)
    assert looks_marked(tile(sheet, 0, 0)[20:30, 12:36], identity=1)
    assert looks_marked(tile(sheet, 0, 1)[16:22, 4:28], identity=3)


def test_results_are_shown_over_the_frames_of_their_set(video_folder, tmp_path):
    sure = VideoResult(4, 17, 0.9, (rectangle(12, 12), None, None))
    unsure = VideoResult(4, 17, 0.1, (rectangle(2, 2), None, None))
    save_ytvis_results([unsure, sure], tmp_path / "results.json")
    sheet = contact_sheet(
        tmp_path / "results.json",
        images=video_folder / "JPEGImages",
        ground_truth=video_folder / "instances.json",
        layout=LAYOUT,
    )
    assert looks_marked(tile(sheet, 0, 0)[56:68, 52:76], identity=2)
    assert not looks_marked(tile(sheet, 0, 0)[20:30, 12:36], identity=1)


def test_image_results_are_shown(image_folder, tmp_path):
    save_coco_results([ImageResult(9, 3, 0.8, rectangle(12, 12))], tmp_path / "results.json")
    truth = image_folder / "annotations" / "instances_val2017.json"
    sheet = contact_sheet(tmp_path / "results.json", ground_truth=truth, layout=LAYOUT)
    assert looks_marked(tile(sheet, 0, 1)[56:68, 52:76], identity=1)


def test_results_without_their_set_are_refused(tmp_path):
    save_ytvis_results([], tmp_path / "results.json")
    with pytest.raises(UserError, match="give the annotation file with --gt"):
        contact_sheet(tmp_path / "results.json")


def test_images_that_are_not_found_are_asked_for(video_set, tmp_path):
    save_ytvis(video_set, tmp_path / "instances.json")
    with pytest.raises(UserError, match="give their folder with --images"):
        contact_sheet(tmp_path)


def test_an_empty_set_is_refused(tmp_path, write_json):
    with pytest.raises(UserError, match="the set is empty"):
        contact_sheet(write_json({"videos": [], "categories": [], "annotations": []}))


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"columns": 65}, {"tile_width": 10**6}])
def test_a_sheet_of_no_or_endless_size_is_refused(wrong):
    with pytest.raises(UserError, match="are no sheet"):
        SheetLayout(**wrong)


def test_a_picture_is_written_as_png_only(tmp_path):
    with pytest.raises(UserError, match=r"name it \.png"):
        write_png(tmp_path / "sheet.bmp", np.zeros((4, 4, 3), np.uint8))


def test_a_tower_is_drawn_small(write_json, tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((16384, 1, 3), np.uint8))
    image = {"id": 1, "file_name": "0.png", "height": 16384, "width": 1}
    path = write_json({"categories": [], "images": [image], "annotations": []})
    assert contact_sheet(path, tmp_path).shape[0] < 1000


def test_a_sheet_too_large_to_look_at_is_refused(write_json, tmp_path):
    images = [{"id": i, "file_name": "0.png", "height": 64, "width": 32} for i in range(64 * 64)]
    path = write_json({"categories": [], "images": images, "annotations": []})
    with pytest.raises(UserError, match="more than 64 megapixels"):
        contact_sheet(path, tmp_path, layout=SheetLayout(64, 64, 2048))
