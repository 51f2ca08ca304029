"""``mobilevis bench accuracy``: an exported model and the checkpoint that it came from."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from mobilevis.data.images import write_png
from mobilevis.export import export_model
from mobilevis.models import create_model
from mobilevis.models.weights.checkpoint import save_checkpoint
from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category
from mobilevis.runtime.files import sha256_of

pytestmark = pytest.mark.slow  # an export

NAME = "mobileinst-topformer-tiny"
SIZE = (64, 128)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint of seeded random weights, and its ONNX artefact."""
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    model = create_model(NAME, num_queries=20, num_classes=2).eval()
    checkpoint = folder / "model.safetensors"
    save_checkpoint(model, checkpoint, name=NAME, classes=[Category(1, "cat"), Category(4, "dog")], record={})
    report = export_model(
        model,
        folder,
        ("onnx",),
        SIZE,
        name=NAME,
        classes=[Category(1, "cat"), Category(4, "dog")],
        checkpoint_sha256=sha256_of(checkpoint),
    )
    return checkpoint, folder / report.artefacts[0].path


@pytest.fixture
def dataset(tmp_path):
    """One video of four frames of noise with one cat."""
    noise = np.random.default_rng(0)
    names = [f"v/{t}.png" for t in range(4)]
    for name in names:
        write_png(tmp_path / "JPEGImages" / name, noise.integers(0, 256, (45, 90, 3), dtype=np.uint8))
    mask = np.zeros((45, 90), dtype=bool)
    mask[10:40, 20:60] = True
    track = {"id": 1, "video_id": 1, "category_id": 1, "iscrowd": 0, "segmentations": [rle.encode(mask)] * 4}
    video = {"id": 1, "height": 45, "width": 90, "length": 4, "file_names": names}
    categories = [{"id": 1, "name": "cat"}, {"id": 4, "name": "dog"}]
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"videos": [video], "categories": categories, "annotations": [track]}))
    return path


def test_artefact_and_checkpoint_find_the_same(mobilevis_here, tmp_path, trained, dataset):
    checkpoint, artefact = trained
    common = ["--dataset", dataset, "--metric", "ytvis", "-T", 2, "--score-threshold", 0]
    common += ["--association", "slots"]  # random scores start no track by appearance
    eager = ["--checkpoint", checkpoint, "--input-size", "64x128"]
    records = {}
    for name, what in (("onnx", [artefact]), ("eager", eager)):
        results, out = tmp_path / f"{name}.results.json", tmp_path / f"{name}.json"
        done = mobilevis_here("bench", "accuracy", *what, *common, "--results", results, "--json", out)
        assert done.returncode == 0, done.stderr
        records[name] = json.loads(out.read_text())
        assert records[name]["results"]["sha256"] == sha256_of(results)
    assert records["onnx"]["metrics"] == pytest.approx(records["eager"]["metrics"], abs=1e-3)
    assert records["onnx"]["counts"] == records["eager"]["counts"]
    assert records["onnx"]["counts"]["results"] > 0


def test_the_record_says_what_was_measured(mobilevis, tmp_path, trained, dataset):
    checkpoint, artefact = trained
    done = mobilevis(
        "bench", "accuracy", artefact, "--dataset", dataset, "--metric", "ytvis", "--json", "out.json"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["artefact"]["sha256"] == sha256_of(artefact)
    assert record["artefact"]["checkpoint_sha256"] == sha256_of(checkpoint)
    assert record["artefact"]["engine"] == "onnxruntime"
    assert record["dataset"]["sha256"] == sha256_of(dataset)
    assert record["options"]["keyframe_interval"] == 3
    assert record["options"]["association"] == "appearance"
    assert record["tools"]["mobilevis"]


def test_nothing_to_evaluate_is_refused(refused_here, dataset):
    assert "--checkpoint" in refused_here("bench", "accuracy", "--dataset", dataset, "--metric", "ytvis")


def test_classes_of_another_data_set_are_refused(refused_here, trained, dataset):
    dataset.write_text(dataset.read_text().replace('"dog"', '"wolf"'))
    line = refused_here("bench", "accuracy", trained[1], "--dataset", dataset, "--metric", "ytvis")
    assert "class 4 is dog" in line
    assert "wolf" in line


def test_outputs_replace_neither_an_input_nor_each_other(refused_here, trained, dataset):
    common = ["bench", "accuracy", trained[1], "--dataset", dataset, "--metric", "ytvis"]
    before = dataset.read_bytes()
    assert "--json would replace the annotations" in refused_here(*common, "--json", dataset)
    assert "are the same" in refused_here(*common, "--results", "out.json", "--json", "out.json")
    part = trained[1] / "decode.onnx"
    assert "a part of the artefact" in refused_here(*common, "--results", part)
    assert dataset.read_bytes() == before
