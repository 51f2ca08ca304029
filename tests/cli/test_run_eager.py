"""``mobilevis run`` on what was never exported: a checkpoint, or a model whose weights ship."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mobilevis.cli.main import app
from mobilevis.export.seeded import create_seeded
from mobilevis.models.weights.bundled import BUNDLED
from mobilevis.models.weights.checkpoint import save_checkpoint
from mobilevis.runtime import rle
from mobilevis.runtime.bundled_clip import bundled_clip
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError

SIZE = [128, 192]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The weights that the fixture ``artefacts`` exports."""
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    model = create_seeded("mobileinst-topformer-tiny", num_queries=20, num_classes=5)
    classes = [Category(i, f"class {i}") for i in range(1, 6)]
    record = {"config": {"data": {"canvas": SIZE}}}
    save_checkpoint(model, path, name="mobileinst-topformer-tiny", classes=classes, record=record)
    return path


@pytest.fixture
def onnx(artefacts):
    return artefacts["onnxruntime"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """``mobilevis run`` in this process, which has loaded PyTorch, in an empty folder; what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(app, ["run", *map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


@pytest.fixture
def refused(run):
    """The line that refuses."""

    def refused(*arguments):
        with pytest.raises(UserError) as caught:
            run(*arguments)
        return str(caught.value)

    return refused


def read(path):
    return [json.loads(line)["instances"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "association", [("slots",), ("appearance", "--option", "birth_score=0.02")], ids=lambda words: words[0]
)
def test_a_checkpoint_finds_what_its_onnx_artefact_finds(run, checkpoint, onnx, tmp_path, association):
    for what, lines in ((checkpoint, "eager.jsonl"), (onnx, "onnx.jsonl")):
        choice = ("--score-threshold", 0.02, "--max-frames", 5, "-T", 2, "--association", *association)
        run(what, bundled_clip(), *choice, "--json-lines", lines)
    eager, exported = read(tmp_path / "eager.jsonl"), read(tmp_path / "onnx.jsonl")
    assert len(eager) == len(exported) == 5
    assert sum(map(len, eager)) > 0
    for ours, theirs in zip(eager, exported):
        assert [(i["track_id"], i["category"]) for i in ours] == [
            (i["track_id"], i["category"]) for i in theirs
        ]
        np.testing.assert_allclose([i["score"] for i in ours], [i["score"] for i in theirs], atol=1e-4)
        for one, other in zip(ours, theirs):
            first, second = rle.decode(one["segmentation"]), rle.decode(other["segmentation"])
            assert (first & second).sum() >= 0.99 * (first | second).sum()


def test_a_model_whose_weights_ship_runs_by_its_name(run, tmp_path):
    name = next(iter(BUNDLED))
    printed = run(name, bundled_clip(), "--max-frames", 3, "--results", "r.json")
    assert "pytorch, 1 thread(s): 3 frames" in printed
    assert "random" not in printed
    assert (tmp_path / "r.json").exists()


def test_the_input_size_can_be_chosen(run, checkpoint):
    assert "1 frames" in run(checkpoint, bundled_clip(), "--max-frames", 1, "--input-size", "64x128")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "onnxruntime"], "a checkpoint runs in eager PyTorch"),
        (["--input-size", "100x128"], "input size 100x128 is no multiple of 64"),
    ],
)
def test_what_a_checkpoint_cannot_take_is_one_line(refused, checkpoint, arguments, words):
    assert words in refused(checkpoint, bundled_clip(), *arguments)


def test_an_artefact_keeps_its_input_size(refused, onnx):
    line = refused(onnx, bundled_clip(), "--input-size", "64x128")
    assert "an artefact's input size is its own" in line


def test_a_name_without_weights_is_answered_with_the_nearest_that_has_some(refused):
    line = refused("mobileinst-topformer-tini", bundled_clip())
    assert "no weights of this name ship (mobileinst-topformer-tini)" in line
    assert "did you mean mobileinst-topformer-tiny?" in line


def test_an_output_does_not_replace_the_checkpoint(refused, checkpoint):
    assert "would replace the artefact" in refused(checkpoint, bundled_clip(), "--json-lines", checkpoint)


def test_the_summary_tells_frames_a_second_and_the_amortised_frame(run, checkpoint):
    printed = run(checkpoint, bundled_clip(), "--max-frames", 4)
    assert "amortised ms" in printed
    words = r"([\d.]+) frames a second end to end, ([\d.]+) without reading and writing"
    end_to_end, alone = re.search(words, printed).groups()
    assert 0.0 < float(end_to_end) <= float(alone)


def test_where_nothing_is_found_the_best_score_and_the_cure_are_named(run, checkpoint, tmp_path):
    common = (checkpoint, bundled_clip(), "--max-frames", 2, "--json-lines", "o.jsonl")
    words = run(*common, "--score-threshold", 0.9).split("Nothing was found: ")[1].split("Try ")
    assert "the threshold is 0.9" in words[0]
    cure = words[1].split("\n")[0].rstrip(".").split(" ")
    assert "--score-threshold" in cure
    assert sum(map(len, read(tmp_path / "o.jsonl"))) == 0
    assert "Nothing was found" not in run(*common, *cure)
    assert sum(map(len, read(tmp_path / "o.jsonl"))) > 0


def test_stills_of_several_sizes_run_through(run, checkpoint, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for index, size in enumerate([(90, 160), (120, 90)]):
        cv2.imwrite(str(photos / f"{index}.png"), np.zeros((*size, 3), dtype=np.uint8))
    run(checkpoint, "photos", "--stills", "--json-lines", "o.jsonl")
    assert len(read(tmp_path / "o.jsonl")) == 2


def test_the_legend_needs_an_overlay(run, refused, checkpoint, tmp_path):
    assert "--legend belongs to an overlay" in refused(checkpoint, bundled_clip(), "--legend")
    for name, more in (("plain.avi", ()), ("legend.avi", ("--legend",))):
        run(checkpoint, bundled_clip(), "--max-frames", 2, "--score-threshold", 1, "-o", name, *more)
    plain, legend = (cv2.VideoCapture(str(tmp_path / f"{n}.avi")).read()[1] for n in ("plain", "legend"))
    changed = np.abs(plain.astype(int) - legend).max(axis=2) > 40
    rows, columns = np.nonzero(changed)
    assert rows.min() > plain.shape[0] * 0.8
    assert columns.min() < 10
