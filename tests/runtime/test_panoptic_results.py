"""What ``run --panoptic`` writes is what ``eval --metric vpq`` reads."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mobilevis.benchmarks.accuracy.vpq import evaluate_vpq
from mobilevis.data.panoptic import read_ids
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.panoptic import id_colors
from mobilevis.runtime.panoptic_results import PanopticResults
from mobilevis.runtime.results import FrameResult, Instance

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


def test_of_two_instances_on_a_pixel_the_better_one_has_it(tmp_path):
    sink = PanopticResults(tmp_path / "out", CLASSES, "walk", str)
    whole = np.ones(SIZE, dtype=bool)
    box = (0, 0, SIZE[1], SIZE[0])
    instances = (Instance(1, 0, 0.9, box, whole, SIZE), Instance(2, 1, 0.8, box, whole, SIZE))
    sink.write(np.zeros((*SIZE, 3), dtype=np.uint8), FrameResult(0, SIZE, instances, True))
    sink.close()
    (frame,) = json.loads((tmp_path / "out" / "pred.json").read_text())["annotations"][0]["annotations"]
    assert [segment["id"] for segment in frame["segments_info"]] == [1]


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
