"""Loading an artefact: the right engine for it, or one line that says what is wrong with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES

FORMATS = ("onnx", "pte", "tflite")
ENGINE_OF = {info.format: name for name, info in ENGINES.items()}


@pytest.mark.parametrize("form", FORMATS)
def test_metadata_survive_every_format(toy_artefacts, toy_export, form):
    artefact = load_artefact(toy_artefacts[form])
    metadata = artefact.metadata
    assert artefact.engine == ENGINE_OF[form]
    assert (metadata.model, metadata.driver, metadata.input_size) == ("toy", "toy", (64, 96))
    assert [tensor.name for tensor in metadata.entries["paint"].inputs] == ["queries", "features"]
    assert metadata.entries["look"].outputs[0].shape == (1, 16, 16, 24)
    assert metadata.options == {"max_instances": 4}
    assert metadata.has_random_weights
    report = next(item for item in toy_export[1].artefacts if item.format == form)
    assert metadata.parity["mask_iou"] == report.parity.mask_iou


def test_one_file_of_an_onnx_folder_is_enough(toy_artefacts):
    assert load_artefact(toy_artefacts["onnx"] / "paint.onnx").metadata.model == "toy"


def test_an_unknown_engine_lists_the_known_ones(toy_artefacts):
    with pytest.raises(UserError, match="unknown engine ncnn: known are onnxruntime, executorch, litert"):
        load_artefact(toy_artefacts["pte"], engine="ncnn")


def test_an_engine_for_another_format_is_refused(toy_artefacts):
    with pytest.raises(UserError, match=r"litert reads a \.tflite file"):
        load_artefact(toy_artefacts["pte"], engine="litert")


def test_more_threads_than_cores_are_refused(toy_artefacts):
    cores = len(os.sched_getaffinity(0))
    with pytest.raises(UserError, match=f"choose between 1 and {cores}"):
        load_artefact(toy_artefacts["pte"], threads=cores + 1)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no such artefact \(.*model\.pte\)"):
        load_artefact(tmp_path / "model.pte")


@pytest.mark.parametrize("name", ["model.pte", "model.tflite", "model.onnx"])
def test_an_empty_file_is_named(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf"empty \(.*{name}\)"):
        load_artefact(tmp_path / name)


def test_a_folder_without_models_and_a_foreign_file_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no \.onnx file"):
        load_artefact(tmp_path)
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(UserError, match="is not the format of an artefact"):
        load_artefact(tmp_path / "model.pt")


@pytest.mark.parametrize("form", ["pte", "tflite"])
def test_a_file_of_another_kind_is_refused(tmp_path, toy_artefacts, form):
    path = shutil.copy(toy_artefacts["onnx"] / "look.onnx", tmp_path / f"model.{form}")
    with pytest.raises(UserError, match=r"the file is not an? .*model\.(pte|tflite)"):
        load_artefact(path)


def test_a_pte_of_another_schema_is_refused(tmp_path, toy_artefacts):
    data = bytearray(toy_artefacts["pte"].read_bytes())
    data[4:8] = b"ET99"
    path = tmp_path / "model.pte"
    path.write_bytes(data)
    with pytest.raises(UserError, match="schema is ET99, this runtime reads ET12"):
        load_artefact(path)


LOAD_TRUNCATED = """
import sys
from pathlib import Path
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES

source, target = Path(sys.argv[1]), Path(sys.argv[2])
data = source.read_bytes()
offsets = {0, 1, 7, 8, 9, 40, 64, len(data) - 1, len(data) - 64} | {len(data) * i // 40 for i in range(40)}
for offset in sorted(offsets):
    target.write_bytes(data[:offset])
    try:
        load_artefact(target)
    except UserError as error:
        assert str(target) in str(error), error
    else:
        raise SystemExit(f"{offset} of {len(data)} bytes were loaded")
"""


@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, toy_artefacts, form):
    """In a child process: an engine that crashes on broken bytes must not take the tests along."""
    source = toy_artefacts[form] / "look.onnx" if form == "onnx" else toy_artefacts[form]
    command = [sys.executable, "-c", LOAD_TRUNCATED, str(source), str(tmp_path / f"look.{form}")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:] + done.stdout


def plain_onnx(folder: Path, toy_artefacts: dict[str, Path]) -> Path:
    model = onnx.load(toy_artefacts["onnx"] / "look.onnx")
    del model.metadata_props[:]
    onnx.save(model, folder / "look.onnx")
    return folder


def plain_pte(folder: Path, toy_model) -> Path:
    import torch
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(toy_model.classify.eval(), (torch.zeros(1, 16),))
    (folder / "model.pte").write_bytes(to_edge_transform_and_lower(program).to_executorch().buffer)
    return folder / "model.pte"


def plain_tflite(folder: Path, toy_artefacts: dict[str, Path]) -> Path:
    data = toy_artefacts["tflite"].read_bytes()
    assert data.count(b"mobilevis\0") == 1
    (folder / "model.tflite").write_bytes(data.replace(b"mobilevis\0", b"something\0"))
    return folder / "model.tflite"


def test_a_model_without_our_metadata_is_refused(tmp_path, toy_artefacts, toy_model):
    plain = (
        plain_onnx(tmp_path, toy_artefacts),
        plain_pte(tmp_path, toy_model),
        plain_tflite(tmp_path, toy_artefacts),
    )
    for path in plain:
        with pytest.raises(UserError, match=r"no mobilevis metadata .*mobilevis export"):
            load_artefact(path)


def test_onnx_files_of_different_exports_are_refused(tmp_path, toy_artefacts):
    folder = shutil.copytree(toy_artefacts["onnx"], tmp_path / "mixed")
    model = onnx.load(folder / "paint.onnx")
    (prop,) = model.metadata_props
    prop.value = prop.value.replace('"toy"', '"other"')
    onnx.save(model, folder / "paint.onnx")
    with pytest.raises(UserError, match="different exports"):
        load_artefact(folder)


def test_an_onnx_folder_with_a_missing_entry_is_refused(tmp_path, toy_artefacts):
    folder = shutil.copytree(toy_artefacts["onnx"], tmp_path / "half")
    (folder / "paint.onnx").unlink()
    with pytest.raises(UserError, match=r"must hold exactly look\.onnx, paint\.onnx"):
        load_artefact(folder)


def test_metadata_that_disagree_with_the_graph_are_refused(tmp_path, toy_artefacts):
    folder = shutil.copytree(toy_artefacts["onnx"], tmp_path / "wrong")
    for file in folder.glob("*.onnx"):
        model = onnx.load(file)
        (prop,) = model.metadata_props
        prop.value = prop.value.replace("[1,16,16,24]", "[1,16,16,25]")
        onnx.save(model, file)
    with pytest.raises(UserError, match=r"features 1x16x16x25, .* its graph has features 1x16x16x24"):
        load_artefact(folder)
