"""Precisions below fp32: what is reduced, what stays, and what the gate lets through."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from rich.console import Console

from mobilevis.cli.export_tables import print_report
from mobilevis.export import export_model
from mobilevis.export import onnx as onnx_export
from mobilevis.export.precision import PRECISIONS, Conversion
from mobilevis.export.task_parity import TaskParity, compare_tasks
from mobilevis.export.tolerances import TOLERANCES
from mobilevis.export.trace import trace_entries
from mobilevis.runtime import metadata
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.parity_vectors import check_parity_vectors
from mobilevis.runtime.results import FrameResult, Instance
from tests.conftest import TOY_SIZE


@pytest.fixture(scope="module")
def traced(toy_model):
    return trace_entries(toy_model, toy_model.streaming(TOY_SIZE).entries)


@pytest.fixture(scope="module")
def halved(toy_model, toy_frames, toy_driver, tmp_path_factory):
    """The toy at fp16 in every format that has it: (folder, report)."""
    folder = tmp_path_factory.mktemp("fp16")
    arguments = {"name": "toy", "frames": toy_frames, "precision": "fp16"}
    return folder, export_model(toy_model, folder, None, TOY_SIZE, **arguments)


def test_the_table_has_a_row_for_each_precision_that_an_artefact_may_have():
    assert tuple(PRECISIONS) == metadata.PRECISIONS
    assert set(PRECISIONS) <= set(TOLERANCES)


def test_a_format_without_the_precision_is_refused(toy_model, tmp_path):
    with pytest.raises(UserError, match=r"the pte format has no fp16, .*: choose from onnx, tflite$"):
        export_model(toy_model, tmp_path, ["pte"], TOY_SIZE, precision="fp16")


def test_onnx_stores_each_weight_in_half_and_takes_and_gives_float(traced, tmp_path):
    onnx_export.convert(traced, Conversion("fp16")).write(tmp_path, "{}")
    model = onnx.load(tmp_path / "look.onnx")
    onnx.checker.check_model(model, full_check=True)
    halves = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert len(halves) == 3
    kinds = {item.type.tensor_type.elem_type for item in (*model.graph.input, *model.graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}


def test_onnx_graphs_are_simplified_before_weights_are_halved(traced, tmp_path):
    onnx_export.convert(traced, Conversion("fp16", simplify=True)).write(tmp_path, "{}")
    graph = onnx.load(tmp_path / "look.onnx").graph
    assert sum(t.data_type == onnx.TensorProto.FLOAT16 for t in graph.initializer) == 3


def test_tflite_stores_each_weight_once_in_half(halved):
    content = (halved[0] / "toy_64x96_fp16.tflite").read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content)
    halves = {
        t.buffer for graph in model.subgraphs for t in graph.tensors if t.type == schema.TensorType.FLOAT16
    }
    assert len(halves) == 4


def test_artefacts_say_their_precision_in_name_metadata_and_report(halved):
    folder, report = halved
    assert report.precision == "fp16"
    assert [item.path for item in report.artefacts] == ["toy_64x96_fp16_onnx", "toy_64x96_fp16.tflite"]
    for item in report.artefacts:
        assert load_artefact(folder / item.path).metadata.precision == "fp16"
        assert item.parity.task.agreement >= TOLERANCES["fp16"].agreement


def test_the_vectors_of_a_reduced_artefact_are_its_own(halved):
    folder, report = halved
    for item in report.artefacts:
        results = check_parity_vectors(load_artefact(folder / item.path))
        assert max(result.max_abs for result in results) == 0.0


def test_the_report_shows_what_a_user_would_see_of_the_rounding(halved):
    console = Console(record=True, width=80)
    print_report(console, halved[1])
    assert "Kept instances at fp16 beside fp32's" in console.export_text()


def test_a_precision_of_unknown_name_in_a_file_is_refused(halved):
    folder, report = halved
    text = load_artefact(folder / report.artefacts[0].path).metadata.to_json().replace('"fp16"', '"int3"')
    with pytest.raises(UserError, match="precision int3 is not one of fp32, fp16"):
        metadata.parse_metadata(text, "toy")


def result(*instances):
    made = []
    for track, (label, x0, x1) in enumerate(instances, 1):
        mask = np.ones((10, x1 - x0), dtype=np.bool_)
        made.append(Instance(track, label, 0.5, (x0, 0, x1, 10), mask, (10, 40)))
    return FrameResult(0, (10, 40), tuple(made), is_keyframe=True)


def test_instances_agree_by_class_and_mask_whatever_their_track():
    expected = [result((0, 0, 10), (1, 20, 30))]
    assert compare_tasks(expected, [result((1, 20, 30), (0, 0, 10))]) == TaskParity(1.0, 1.0, 1.0)
    moved = compare_tasks(expected, [result((0, 0, 8), (0, 20, 30))])
    assert moved == TaskParity(0.5, 0.8, 0.8)
    assert compare_tasks(expected, [result()]).agreement == 0.0
    assert compare_tasks([result()], [result()]).agreement == 1.0


def test_the_gate_of_a_reduced_precision_names_what_the_user_would_see():
    failures = TaskParity(0.5, 0.8, 1.0).failures(TOLERANCES["fp16"])
    assert failures == ["kept instances agree to 0.500, least is 0.98", "mean mask IoU 0.800, least is 0.99"]
