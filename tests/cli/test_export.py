"""``mobilevis export``: what it prints, what it takes from a checkpoint, and what it refuses."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from rich.console import Console

from mobilevis.cli.calibration import open_pictures
from mobilevis.cli.export import _load, export_with_progress
from mobilevis.cli.export_tables import print_report
from mobilevis.data.synth import SynthOptions, generate
from mobilevis.models import create_model
from mobilevis.models.weights.bundled import bundled_checkpoint
from mobilevis.models.weights.checkpoint import save_checkpoint
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import sha256_of

MODEL = "mobileinst-topformer-tiny"


@pytest.fixture
def checkpoint(tmp_path):
    model = create_model(MODEL, num_classes=2, num_queries=10, dim=32)
    path = tmp_path / "model.safetensors"
    save_checkpoint(model, path, name=MODEL, classes=[Category(4, "red"), Category(9, "green")], record={})
    return path


@pytest.mark.slow
def test_a_checkpoint_brings_configuration_classes_and_hash(mobilevis, checkpoint, tmp_path):
    arguments = ("--format", "onnx", "--input-size", "64x128", "--max-instances", 5)
    done = mobilevis("export", MODEL, "--checkpoint", checkpoint, *arguments, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "random" not in done.stdout
    metadata = load_artefact(tmp_path / "out" / f"{MODEL}_64x128_fp32_onnx").metadata
    assert metadata.classes == (Category(4, "red"), Category(9, "green"))
    assert metadata.checkpoint_sha256 == sha256_of(checkpoint)
    assert metadata.entries["decode"].outputs[0].shape[1] == 10


def refusal(model, checkpoint, output, **config):
    with pytest.raises(UserError) as caught:
        export_with_progress(Console(), model, output, checkpoint=checkpoint, config=config)
    assert caught.value.file == checkpoint
    assert not output.exists()
    return str(caught.value)


def test_a_checkpoint_of_another_model_is_refused(checkpoint, tmp_path):
    other = "mobileinst-topformer-base"
    assert f"holds a {MODEL}, not a {other}" in refusal(other, checkpoint, tmp_path / "out")


@pytest.mark.parametrize(
    ("config", "what"),
    [({"num_queries": 20}, "holds num_queries=10, not 20"), ({"depth": 3}, "no configuration depth")],
)
def test_configuration_that_is_not_the_checkpoints_is_refused(checkpoint, tmp_path, config, what):
    assert what in refusal(MODEL, checkpoint, tmp_path / "out", **config)


def test_a_checkpoint_needs_no_name_and_brings_its_input_size(checkpoint):
    source = _load(str(checkpoint), None, False, {})
    assert (source.name, source.sha256, source.input_size) == (MODEL, sha256_of(checkpoint), None)


def test_a_name_takes_the_weights_that_ship_and_their_size():
    source = _load(MODEL, None, False, {})
    assert source.sha256 == sha256_of(bundled_checkpoint(MODEL))
    assert source.input_size == (256, 512)
    assert _load(MODEL, None, True, {}).sha256 is None
    assert _load("mobileinst-topformer-small", None, False, {}).sha256 is None


def test_a_checkpoint_is_not_random(checkpoint, tmp_path, refused_here):
    assert "leave out --random" in refused_here(
        "export", checkpoint, "--random", "--output", tmp_path / "out"
    )


def test_a_file_that_is_no_checkpoint_is_refused(refused_here, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    line = refused_here("export", MODEL, "--checkpoint", tmp_path / "notes.txt", "--output", tmp_path / "out")
    assert "not a safetensors file" in line
    assert "notes.txt" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "onnx,coreml"), "unknown format coreml: known are onnx, pte, tflite"),
        (("--input-size", "320x600"), "320x600 is no multiple of 64, the nearest are 320x576 and 320x640"),
        (("--max-instances", "101"), "max_instances 101 is not in 1…100"),
        (("--config", "pooling=max7"), "pooling 'max7' is not known"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(refused_here, tmp_path, arguments, message):
    assert message in refused_here("export", MODEL, "--random", *arguments, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_model_lists_the_known_ones(refused_here, tmp_path):
    message = refused_here("export", "yolo", "--output", tmp_path / "out")
    assert "known are " in message
    assert MODEL in message


def test_a_gate_video_of_fewer_than_ten_frames_is_refused(refused_here, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(3):
        cv2.imwrite(str(frames / f"{index}.png"), np.zeros((36, 64, 3), dtype=np.uint8))
    arguments = ("--input-size", "64x64", "--calibration", frames, "--output", tmp_path / "out")
    assert "the parity gate has 3 frames, it needs 10" in refused_here("export", MODEL, *arguments)


def test_int8_without_frames_is_refused(refused_here, tmp_path):
    line = refused_here("export", MODEL, "--precision", "int8", "--output", tmp_path / "out")
    assert "int8 needs frames to round weights for: give --calibrate" in line


def test_an_unknown_precision_is_refused(refused_here, tmp_path):
    line = refused_here("export", MODEL, "--precision", "fp8", "--output", tmp_path / "out")
    assert "unknown precision fp8: known are fp32, fp16, int8" in line


def test_a_precision_that_a_format_does_not_have_is_refused(refused_here, tmp_path):
    line = refused_here(
        "export", MODEL, "--precision", "fp16", "--format", "pte", "--output", tmp_path / "out"
    )
    assert "ExecuTorch stores the weights of convolutions as float32: choose from onnx, tflite" in line


def test_a_calibration_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(UserError, match="no images in the folder"):
        open_pictures(tmp_path)


def test_a_broken_calibration_picture_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((8, 8, 3), dtype=np.uint8))
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes()[:40])
    with pytest.raises(UserError) as caught:
        list(open_pictures(tmp_path))
    assert caught.value.file == tmp_path / "2.png"
    assert caught.value.exit_code == 2


def test_calibration_pictures_may_be_those_of_coco_annotations(tmp_path):
    (tmp_path / "images").mkdir()
    sizes = {"b.png": (8, 12), "a.png": (16, 6)}
    for name, size in sizes.items():
        cv2.imwrite(str(tmp_path / "images" / name), np.zeros((*size, 3), dtype=np.uint8))
    images = [
        {"id": i, "file_name": name, "height": h, "width": w}
        for i, (name, (h, w)) in enumerate(sizes.items(), 1)
    ]
    record = {"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": []}
    (tmp_path / "set.json").write_text(json.dumps(record), encoding="utf-8")
    pictures = open_pictures(tmp_path / "set.json")
    assert pictures.stills
    assert [picture.shape[:2] for picture in pictures] == [(8, 12), (16, 6)]


@pytest.mark.parametrize("given", ["", "instances.json"])
def test_calibration_pictures_may_be_the_frames_of_a_set_of_videos(tmp_path, given):
    generate(tmp_path / "set", SynthOptions(videos=2, frames=3, size=(64, 96)))
    pictures = open_pictures(tmp_path / "set" / given)
    assert pictures.stills
    assert [picture.shape[:2] for picture in pictures] == [(64, 96)] * 6


def test_the_report_shows_size_parity_speed_and_delegation(toy_export):
    console = Console(record=True, width=80)
    print_report(console, toy_export[1])
    text = console.export_text()
    assert "toy 64x96 fp32" in text
    assert "The weights are random." in text
    assert "look.features" in text
    pte = next(item for item in toy_export[1].artefacts if item.format == "pte")
    assert f"{pte.time_ratio:.2f}" in text
    assert f"eager PyTorch: {toy_export[1].eager_time_ratio:.2f} of" in text
    assert all(f"{output.max_abs:.1e}" in text for output in pte.parity.outputs)
    assert "Delegation of the .pte" in text
