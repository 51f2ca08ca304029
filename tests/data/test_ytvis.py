"""YouTube-VIS: what is written is read again, and a malformed record is named."""

from __future__ import annotations

import copy
import json

import pytest

from mobilevis.data.datasets import VideoResult
from mobilevis.data.ytvis import load_ytvis, load_ytvis_results, save_ytvis, save_ytvis_results
from mobilevis.runtime.errors import UserError

from .conftest import rectangle


@pytest.fixture
def raw(video_set, tmp_path):
    """The set's file as JSON."""
    save_ytvis(video_set, tmp_path / "set.json")
    return json.loads((tmp_path / "set.json").read_text())


def test_a_set_is_read_as_it_was_written(video_set, tmp_path):
    save_ytvis(video_set, tmp_path / "set.json")
    assert load_ytvis(tmp_path / "set.json") == video_set


def test_boxes_are_written_where_the_object_is_seen(raw):
    assert raw["annotations"][0]["bboxes"] == [[2, 2, 8, 6], None, [4, 4, 8, 6]]


def test_results_are_read_as_they_were_written(video_set, tmp_path):
    results = [VideoResult(4, 17, 0.25, (None, rectangle(1, 1), None))]
    save_ytvis_results(results, tmp_path / "results.json")
    assert load_ytvis_results(tmp_path / "results.json", video_set) == results


def test_tracks_are_grouped_by_video(video_set):
    assert {key: [t.id for t in group] for key, group in video_set.tracks_by_video.items()} == {
        4: [1],
        6: [2],
    }


def test_areas_come_from_the_masks_where_the_file_has_none(raw, video_set, write_json):
    for track in raw["annotations"]:
        del track["areas"]
    assert load_ytvis(write_json(raw)) == video_set


@pytest.mark.parametrize("annotations", [..., None])
def test_a_validation_split_has_no_annotations(raw, write_json, annotations):
    raw["annotations"] = annotations
    if annotations is ...:
        del raw["annotations"]
    assert load_ytvis(write_json(raw)).tracks == ()


def test_no_result_is_a_result(video_set, write_json):
    assert load_ytvis_results(write_json([]), video_set) == []


# what is wrong → (where to put it, the value, the words of the message)
FAULTS = {
    "video unknown": (("annotations", 0, "video_id"), 5, "video_id 5 is unknown"),
    "category unknown": (("annotations", 0, "category_id"), 5, "category_id 5 is unknown"),
    "track id twice": (("annotations", 1, "id"), 1, "id 1 was used before"),
    "video id twice": (("videos", 1, "id"), 4, "id 4 was used before"),
    "segmentations too few": (
        ("annotations", 0, "segmentations"),
        [None],
        "segmentations has 1 items, not 3",
    ),
    "segmentations too many": (
        ("annotations", 1, "segmentations"),
        [None, None],
        "segmentations has 2 items, not 1",
    ),
    "segmentations null": (("annotations", 0, "segmentations"), None, "segmentations is not a list"),
    "RLE of another size": (
        ("annotations", 0, "segmentations", 2),
        rectangle(0, 0, size=(9, 9)),
        "segmentations[2] is of size [9, 9]",
    ),
    "areas too few": (("annotations", 0, "areas"), [1], "areas has 1 items, not 3"),
    "area is text": (("annotations", 0, "areas", 2), "x", "areas[2] 'x' is not a number"),
    "crowd is text": (("annotations", 0, "iscrowd"), "no", "iscrowd 'no' is not 0 or 1"),
    "length differs": (("videos", 0, "length"), 4, "length 4 with 3 file names"),
    "no frames": (("videos", 1), {"id": 6, "height": 24, "width": 32, "file_names": []}, "0 frames"),
    "a frame outside": (("videos", 0, "file_names", 1), "v/../../x.jpg", "leaves its folder"),
    "a frame that is no name": (("videos", 0, "file_names", 1), 7, "file name 7 is not a text"),
    "width huge": (("videos", 0, "width"), 2**31, "size 24x2147483648"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_malformed_file_is_refused_with_the_record_named(raw, write_json, fault):
    (*parents, last), value, words = FAULTS[fault]
    broken = place = copy.deepcopy(raw)
    for key in parents:
        place = place[key]
    place[last] = value
    path = write_json(broken)
    with pytest.raises(UserError) as refusal:
        load_ytvis(path, strict=True)
    assert words in refusal.value.what
    assert f"{parents[0]}[{[*parents, last][1]}]" in refusal.value.what
    assert refusal.value.file == path


def test_a_missing_frame_is_refused_where_the_folder_is_given(raw, write_json, tmp_path):
    with pytest.raises(UserError, match=r"videos\[0\] \(id 4\): image .*0\.jpg is missing"):
        load_ytvis(write_json(raw), tmp_path)


# what is wrong with a result → the field, its value, the words of the message
RESULT_FAULTS = {
    "video unknown": ("video_id", 1, "video_id 1 is unknown"),
    "category unknown": ("category_id", 1, "category_id 1 is unknown"),
    "one frame of three": ("segmentations", [rectangle(2, 2)], "segmentations has 1 items, not 3"),
    "no frames": ("segmentations", [], "segmentations has 0 items, not 3"),
    "another size": (
        "segmentations",
        [None, rectangle(0, 0, size=(9, 9)), None],
        "segmentations[1] is of size [9, 9]",
    ),
    "score is text": ("score", "high", "score 'high' is not a number"),
    "score not finite": ("score", float("nan"), "score is not finite"),
}


@pytest.mark.parametrize("fault", RESULT_FAULTS)
def test_a_malformed_result_is_refused_with_the_record_named(video_set, write_json, fault):
    key, value, words = RESULT_FAULTS[fault]
    good = {"video_id": 4, "category_id": 3, "score": 0.5, "segmentations": [None, rectangle(2, 2), None]}
    with pytest.raises(UserError) as refusal:
        load_ytvis_results(write_json([good, {**good, key: value}]), video_set)
    assert words in refusal.value.what
    assert "results[1]" in refusal.value.what
