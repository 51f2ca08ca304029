"""``mobilevis eval``: the figures on screen and in JSON, and one clear line for each bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mobilevis.runtime import rle

MASK = np.zeros((20, 30), dtype=bool)
MASK[5:15, 5:25] = True


@pytest.fixture
def files(tmp_path):
    """Two videos with one cat each, of which the results find the first."""
    segmentation = rle.encode(MASK)
    truth = {
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "videos": [
            {"id": i, "width": 30, "height": 20, "length": 2, "file_names": [f"{i}/0.jpg", f"{i}/1.jpg"]}
            for i in (1, 2)
        ],
        "annotations": [
            {"id": i, "video_id": i, "category_id": 1, "iscrowd": 0, "segmentations": [segmentation] * 2}
            for i in (1, 2)
        ],
    }
    found = {"video_id": 1, "category_id": 1, "score": 0.9, "segmentations": [segmentation] * 2}
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps([found]))
    return ["--gt", tmp_path / "gt.json", "--results", tmp_path / "results.json"]


def test_figures_are_fractions_on_screen_and_in_json(mobilevis, tmp_path, files):
    done = mobilevis("eval", "--metric", "ytvis", *files, "--json", "out.json")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("│")}
    assert "0.5050" in rows["all"]
    assert "0.5050" in rows["cat"]
    assert "–" in rows["dog"]
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["metrics"]["AP"] == pytest.approx(51 / 101)
    assert record["metrics"]["AR1"] == record["metrics"]["AR10"] == 0.5
    assert record["per_class"][1]["metrics"]["AP"] == -1.0


def test_an_answer_of_one_frame_is_refused(refused, tmp_path, files):
    found = json.loads((tmp_path / "results.json").read_text())
    found[0]["segmentations"].pop()
    (tmp_path / "results.json").write_text(json.dumps(found))
    line = refused("eval", "--metric", "ytvis", *files)
    assert "results[0]" in line
    assert "segmentations has 1 items, not 2" in line


def test_an_unknown_metric_lists_the_known(refused, files):
    assert "coco, neighbours, stq, vpq, ytvis" in refused("eval", "--metric", "mAP", *files)


def test_a_missing_file_is_named(refused, files):
    assert "nothing.json" in refused("eval", "--metric", "ytvis", *files[:3], "nothing.json")


@pytest.mark.parametrize("name", ["gt.json", "results.json"])
def test_a_record_replaces_no_input(refused, tmp_path, files, name):
    before = (tmp_path / name).read_bytes()
    assert "--json would replace" in refused("eval", "--metric", "ytvis", *files, "--json", name)
    assert (tmp_path / name).read_bytes() == before


def test_a_place_that_cannot_be_written_is_found_before_the_work(mobilevis, files):
    done = mobilevis("eval", "--metric", "ytvis", *files, "--json", "/proc/nowhere/out.json")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_record_on_standard_output_is_alone_there(mobilevis, files):
    done = mobilevis("eval", "--metric", "ytvis", *files, "--json", "-")
    assert json.loads(done.stdout)["metrics"]["AR1"] == 0.5
    assert "cat" in done.stderr
