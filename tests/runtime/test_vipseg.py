"""What ``run --panoptic`` writes is what ``eval --metric vpq`` reads."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mobilevis.benchmarks.accuracy.vpq import evaluate_vpq
from mobilevis.data.vipseg import read_ids
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.vipseg import PanopticResults, id_colors

SIZE = (8, 12)
CLASSES = (Category(4, "person"), Category(7, "sky"))
PERSON, SKY = 300, 5


def result(index):
    """A person that walks right, and the rest sky."""
    person = np.ones((4, 3), dtype=bool)
    rest = np.ones(SIZE, dtype=bool)
    rest[2:6, index : index + 3] = False
    return FrameResult(
        index,
        SIZE,
        (
            Instance(PERSON, 0, 0.9, (index, 2, index + 3, 6), person, SIZE),
            Instance(SKY, 1, 0.8, (0, 0, SIZE[1], SIZE[0]), rest, SIZE),
        ),
        True,
    )


def write(folder, frames=6):
    sink = PanopticResults(folder, CLASSES, "walk", lambda index: f"{index:05d}")
    for index in range(frames):
        sink.write(np.zeros((*SIZE, 3), dtype=np.uint8), result(index))
    return sink


def write_truth(folder, frames=6):
    """The same video as VIPSeg's annotations, with ids of their own."""
    (folder / "panomasksRGB" / "walk").mkdir(parents=True)
    records = []
    for index in range(frames):
        ids = np.full(SIZE, 700, dtype=np.int32)
        ids[2:6, index : index + 3] = 401
        png = folder / "panomasksRGB" / "walk" / f"{index:05d}.png"
        cv2.imwrite(str(png), cv2.cvtColor(id_colors(ids), cv2.COLOR_RGB2BGR))
        segments = [{"id": 401, "category_id": 4, "iscrowd": 0}, {"id": 700, "category_id": 7, "iscrowd": 0}]
        records.append({"file_name": f"{index:05d}.jpg", "segments_info": segments})
    truth = {
        "categories": [{"id": 4, "name": "person", "isthing": 1}, {"id": 7, "name": "sky", "isthing": 0}],
        "videos": [{"video_id": "walk", "images": [{"file_name": f"{i:05d}.png"} for i in range(frames)]}],
        "annotations": [{"video_id": "walk", "annotations": records}],
    }
    (folder / "truth.json").write_text(json.dumps(truth))
    return folder / "truth.json"


def test_a_faithful_submission_has_a_vpq_of_one(tmp_path):
    write(tmp_path / "out").close()
    found = evaluate_vpq(write_truth(tmp_path / "gt"), tmp_path / "out" / "pred.json")
    assert found.metrics["VPQ"] == pytest.approx(1.0)


def test_a_png_holds_the_track_ids(tmp_path):
    write(tmp_path / "out").close()
    ids = read_ids(tmp_path / "out" / "pan_pred" / "walk" / "00001.png")
    assert set(np.unique(ids)) == {PERSON, SKY}
    assert (ids == PERSON).sum() == 12


def overlapping(index, first, second, second_class):
    """Two tracks of 16 pixels, of which they share four."""
    mask = np.ones((4, 4), dtype=bool)
    instances = [
        Instance(1, 0, first, (0, 0, 4, 4), mask, SIZE),
        Instance(2, second_class, second, (3, 0, 7, 4), mask, SIZE),
    ]
    instances.sort(key=lambda item: -item.score)
    return FrameResult(index, SIZE, tuple(instances), True)


def test_a_track_has_one_class_and_one_rank_in_all_frames(tmp_path):
    sink = PanopticResults(tmp_path / "out", CLASSES, "walk", str)
    # Track 2 is a worse sky, then a better person: over both frames a person, and the better track.
    for result in (overlapping(0, 0.9, 0.8, second_class=1), overlapping(1, 0.5, 0.95, second_class=0)):
        sink.write(np.zeros((*SIZE, 3), dtype=np.uint8), result)
    sink.close()
    frames = json.loads((tmp_path / "out" / "pred.json").read_text())["annotations"][0]["annotations"]
    for frame in frames:
        found = [(s["id"], s["category_id"], s["area"]) for s in frame["segments_info"]]
        assert found == [(1, 4, 12), (2, 4, 16)]


def test_a_track_that_others_cover_is_in_no_record(tmp_path):
    sink = PanopticResults(tmp_path / "out", CLASSES, "walk", str)
    whole = np.ones(SIZE, dtype=bool)
    box = (0, 0, SIZE[1], SIZE[0])
    instances = (Instance(1, 0, 0.9, box, whole, SIZE), Instance(2, 1, 0.8, box, whole, SIZE))
    sink.write(np.zeros((*SIZE, 3), dtype=np.uint8), FrameResult(0, SIZE, instances, True))
    sink.close()
    (frame,) = json.loads((tmp_path / "out" / "pred.json").read_text())["annotations"][0]["annotations"]
    assert [segment["id"] for segment in frame["segments_info"]] == [1]


def test_an_id_that_is_no_colour_is_refused(tmp_path):
    mask = np.ones((4, 4), dtype=bool)
    sink = PanopticResults(tmp_path / "out", CLASSES, "walk", str)
    instance = Instance(1 << 24, 0, 0.9, (0, 0, 4, 4), mask, SIZE)
    sink.write(np.zeros((*SIZE, 3), dtype=np.uint8), FrameResult(0, SIZE, (instance,), True))
    with pytest.raises(UserError, match="no colour"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_given_up_leaves_nothing(tmp_path):
    write(tmp_path / "out").discard()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match="no submission"):
        write(tmp_path / "photos")


def test_a_submission_is_replaced_by_a_new_one(tmp_path):
    write(tmp_path / "out", frames=6).close()
    write(tmp_path / "out", frames=2).close()
    assert len(list((tmp_path / "out" / "pan_pred" / "walk").iterdir())) == 2
