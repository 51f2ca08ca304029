"""The export pipeline: all artefacts with a report, or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mobilevis.export import export_model, onnx
from mobilevis.export.converters import CONVERTERS, Converter
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import sha256_of

SIZE = (64, 96)


@pytest.fixture
def export_toy(toy_model, toy_frames, toy_driver, tmp_path):
    """Export the toy to ONNX, the quickest format, into ``tmp_path``."""

    def run(**changes):
        arguments = {"formats": ["onnx"], "input_size": SIZE, "name": "toy", "frames": toy_frames, **changes}
        return export_model(toy_model, tmp_path, **arguments)

    return run


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_names_carry_the_facts(toy_export):
    assert contents(toy_export[0]) == [
        "toy_64x96_fp32.pte",
        "toy_64x96_fp32.tflite",
        "toy_64x96_fp32_onnx",
        "toy_64x96_fp32_report.json",
    ]
    assert contents(toy_export[0] / "toy_64x96_fp32_onnx") == ["look.onnx", "paint.onnx"]


def test_the_json_file_is_the_report_and_names_the_artefacts_by_hash(toy_export):
    folder, report = toy_export
    saved = json.loads((folder / "toy_64x96_fp32_report.json").read_text())
    assert saved == json.loads(report.to_json())
    assert [item["format"] for item in saved["artefacts"]] == ["onnx", "pte", "tflite"]
    for item in saved["artefacts"]:
        assert item["sha256"] == sha256_of(folder / item["path"])
        assert item["parity"]["frames"] == 10
        assert item["parity"]["instances"] > 0


def test_each_pte_entry_is_one_delegate_call(toy_export):
    pte = next(item for item in toy_export[1].artefacts if item.format == "pte")
    assert {entry: found.whole for entry, found in pte.delegation.items()} == {"look": True, "paint": True}


def test_speed_is_relative_to_onnx(toy_export):
    ratios = {item.format: item.time_ratio for item in toy_export[1].artefacts}
    assert ratios["onnx"] is None
    assert all(0.01 < ratios[form] < 100 for form in ("pte", "tflite"))
    assert 0.01 < toy_export[1].eager_time_ratio < 100


def test_weights_that_entries_share_are_stored_once(toy_artefacts, toy_model):
    weights = toy_model.shared.weight.detach().numpy()
    for form in ("pte", "tflite"):
        data = toy_artefacts[form].read_bytes()
        stored = data.count(weights.tobytes()) + data.count(np.ascontiguousarray(weights.T).tobytes())
        assert stored == 1, form


def test_no_path_of_this_machine_is_inside(toy_artefacts):
    here = str(Path(__file__).parents[2]).encode()
    files = [*toy_artefacts["onnx"].iterdir(), toy_artefacts["pte"], toy_artefacts["tflite"]]
    for file in files:
        assert here not in file.read_bytes(), file.name


def test_a_failed_gate_leaves_nothing(export_toy, toy_model, tmp_path, monkeypatch):
    convert = onnx.convert

    def broken(traced, how):
        models = convert(traced, how)
        bias = next(t for t in models.models["look"].graph.initializer if list(t.dims) == [8])
        bias.raw_data = (np.frombuffer(bias.raw_data, np.float32) + np.float32(0.01)).tobytes()
        return models

    monkeypatch.setattr(onnx, "convert", broken)
    with pytest.raises(UserError, match=r"onnx artefact fails the parity gate: look\.features differs by"):
        export_toy()
    assert contents(tmp_path) == []


def test_a_later_format_that_fails_takes_the_earlier_ones_back(export_toy, tmp_path, monkeypatch):
    monkeypatch.setitem(CONVERTERS, "pte", Converter("mobilevis.export.no_such_module"))
    with pytest.raises(UserError, match="not installed"):
        export_toy(formats=["onnx", "pte"])
    assert contents(tmp_path) == []


def test_an_export_replaces_an_older_one(export_toy, tmp_path):
    stale = tmp_path / "toy_64x96_fp32_onnx" / "encode.onnx"
    stale.parent.mkdir()
    stale.touch()
    export_toy()
    assert not stale.exists()
    assert load_artefact(tmp_path / "toy_64x96_fp32_onnx").metadata.model == "toy"


def test_simplified_graphs_pass_the_gate_too(export_toy, tmp_path):
    export_toy(simplify=True)
    record = load_artefact(tmp_path / "toy_64x96_fp32_onnx").metadata.parity
    assert record["frames"] == 10
    assert max(output["max_abs"] for output in record["outputs"]) <= 1e-4


def test_classes_and_checkpoint_are_recorded(export_toy, tmp_path):
    classes = [Category(3, "car"), Category(17, "cat"), Category(18, "dog")]
    export_toy(classes=classes, checkpoint_sha256="ab" * 32)
    metadata = load_artefact(tmp_path / "toy_64x96_fp32_onnx").metadata
    assert metadata.classes == tuple(classes)
    assert metadata.checkpoint_sha256 == "ab" * 32
    assert not metadata.has_random_weights
    assert "torch" in metadata.tools


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formats": ["onnx", "coreml"]}, "unknown format coreml: known are onnx, pte, tflite"),
        ({"formats": []}, "no format"),
        ({"input_size": (64, 100)}, "the nearest are 64x128 and 64x96"),
        ({"classes": [Category(1, "car")]}, "1 classes are named, the model has 3"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_at_once(export_toy, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        export_toy(**changes)
    assert contents(tmp_path) == []


def test_the_model_is_left_as_it_was(toy_model, export_toy):
    toy_model.train()
    try:
        export_toy()
        assert toy_model.training
    finally:
        toy_model.eval()
