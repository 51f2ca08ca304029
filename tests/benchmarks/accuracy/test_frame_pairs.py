"""Reading VIPSeg's format: PNG and JSON must agree, and nothing outside the folders is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilevis.benchmarks.accuracy.frame_pairs import joint_histogram, pair_frames
from mobilevis.data.vipseg import load_submission, load_truth
from mobilevis.runtime.errors import UserError

from .vipseg import save_ids, write

ROW = [20, 20, 70000, 0]
CLASSES = {20: 1, 70000: 0, 21: 1}


def read(gt: Path, pred: Path) -> dict[str, Any]:
    dataset = load_truth(gt)
    submission = load_submission(pred, dataset)
    return {video.id: pair_frames(video, submission[video.id]) for video in dataset.videos}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path, [ROW, ROW], [ROW, ROW], CLASSES)


def edit(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_ids_beyond_two_bytes_survive_the_colours(files: tuple[Path, Path]) -> None:
    [first, _] = read(*files)["v"]
    assert first.overlaps == {(0, 0): 1, (20, 20): 2, (70000, 70000): 1}
    assert first.truth[70000].area == 1


def test_joint_histogram_counts_pairs() -> None:
    assert joint_histogram(np.array([1, 1, 2]), np.array([5, 6, 5])) == {(1, 5): 1, (1, 6): 1, (2, 5): 1}


def first_segment(document: Any) -> Any:
    return document["annotations"][0]["annotations"][0]["segments_info"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["annotations"].clear(), "no annotation of video v"),
        (
            lambda d: d["annotations"].append(d["annotations"][0]),
            "annotations.1.: video_id v is unknown, or was used before",
        ),
        (lambda d: d["annotations"][0].update(video_id="w"), "annotations.0.: video_id w is unknown"),
        (lambda d: d["annotations"][0]["annotations"].pop(), "annotations has 1 items, not 2"),
        (
            lambda d: d["annotations"][0]["annotations"].reverse(),
            "file_name 00001.png where frame 00000.png is due",
        ),
        (lambda d: first_segment(d).update(id=0), "the id is void, or no colour"),
        (lambda d: first_segment(d).update(id=21), "segment 21 is in the JSON and not in the PNG"),
        (lambda d: first_segment(d).update(category_id=9), "category_id 9 is unknown"),
        (lambda d: first_segment(d).update(category_id="cat"), "category_id 'cat' is not a whole number"),
        (
            lambda d: d["annotations"][0]["annotations"][0]["segments_info"].pop(),
            "in the PNG and not in the JSON",
        ),
    ],
)
def test_a_bad_submission_is_refused_by_record(
    files: tuple[Path, Path], change: Callable[[Any], object], message: str
) -> None:
    edit(files[1], change)
    with pytest.raises(UserError, match=message):
        read(*files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: first_segment(d).update(area=7), "segment 20 has not the area 7 of its record"),
        (lambda d: d["videos"][0].update(video_id="../v"), "leaves its folder"),
        (lambda d: d["videos"][0]["images"][0].update(file_name="/etc/passwd"), "leaves its folder"),
        (lambda d: d["categories"].append(d["categories"][0]), "id 0 was used before"),
        (lambda d: d["videos"].clear(), "there is no video"),
    ],
)
def test_a_bad_truth_is_refused_by_record(
    files: tuple[Path, Path], change: Callable[[Any], object], message: str
) -> None:
    edit(files[0], change)
    with pytest.raises(UserError, match=message):
        read(*files)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_what_is_no_json_object_is_refused(files: tuple[Path, Path], text: str) -> None:
    files[0].write_text(text)
    with pytest.raises(UserError, match=r"JSON"):
        read(*files)


def test_a_png_of_another_size_is_refused(files: tuple[Path, Path]) -> None:
    save_ids(files[1].parent / "pan_pred" / "v" / "00001.png", np.array([[20, 70000]]))
    with pytest.raises(UserError, match="is not 1x4"):
        read(*files)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "cannot read: No such file"),
        (b"GIF89a", "no PNG"),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\1\0\0" * 2, "megapixels"),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\0\1" * 2, "cut off"),
    ],
)
def test_a_bad_png_is_refused(files: tuple[Path, Path], data: bytes | None, message: str) -> None:
    png = files[1].parent / "pan_pred" / "v" / "00000.png"
    if data is None:
        png.unlink()
    else:
        png.write_bytes(data)
    with pytest.raises(UserError, match=message):
        read(*files)
