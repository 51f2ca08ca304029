"""Precisions below fp32: what is reduced, what stays, and what the gate lets through."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto
from rich.console import Console

from mobilevis.cli.export_tables import print_mixed, print_report
from mobilevis.export import export_model
from mobilevis.export import onnx as onnx_export
from mobilevis.export.layer_errors import measure_layers, write_layer_errors
from mobilevis.export.layers import Fingerprints, choose_layers, fingerprint
from mobilevis.export.onnx_precision import split_grid
from mobilevis.export.precision import PRECISIONS, Conversion, EntryPrecision, check_precision
from mobilevis.export.recorder import Call, FramesInMemory
from mobilevis.export.task_parity import TaskParity, compare_tasks
from mobilevis.export.tolerances import TOLERANCES
from mobilevis.export.trace import trace_entries
from mobilevis.runtime import metadata
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.parity_vectors import check_parity_vectors, pseudo_random_inputs
from mobilevis.runtime.results import FrameResult, Instance
from tests.conftest import TOY_SIZE

BITS = {"fp16": schema.TensorType.FLOAT16, "int8": schema.TensorType.INT8}


@pytest.fixture(scope="module")
def traced(toy_model):
    return trace_entries(toy_model, toy_model.streaming(TOY_SIZE).entries)


@pytest.fixture(scope="module", params=["fp16", "int8"])
def reduced(request, toy_model, toy_frames, toy_driver, tmp_path_factory):
    """The toy at a reduced precision in every format that has it: (precision, folder, report)."""
    folder = tmp_path_factory.mktemp(request.param)
    calibrated = PRECISIONS[request.param].is_calibrated
    report = export_model(
        toy_model,
        folder,
        input_size=TOY_SIZE,
        name="toy",
        frames=toy_frames,
        precision=request.param,
        calibration=FramesInMemory("frames", toy_frames) if calibrated else None,
    )
    return request.param, folder, report


def test_the_table_has_a_row_for_each_precision_that_an_artefact_may_have():
    assert tuple(PRECISIONS) == metadata.PRECISIONS
    assert set(PRECISIONS) <= set(TOLERANCES)


@pytest.mark.parametrize(
    ("precision", "has_frames", "message"),
    [
        ("int4", False, "unknown precision int4: did you mean int8"),
        ("int8", False, "int8 needs frames .*give --calibrate"),
        ("fp16", True, "fp16 is not calibrated: leave out --calibrate, or choose int8"),
    ],
)
def test_a_precision_that_does_not_fit_is_refused(precision, has_frames, message):
    with pytest.raises(UserError, match=message):
        check_precision(precision, has_frames)


def test_layers_are_compared_at_a_reduced_precision_only():
    with pytest.raises(UserError, match="nothing is quantised at fp32: give --precision, one of fp16, int8"):
        check_precision("fp32", has_frames=False, debug=True)


def test_a_format_without_the_precision_is_refused(toy_model, tmp_path):
    with pytest.raises(UserError, match=r"the pte format has no fp16, .*: choose from onnx, tflite$"):
        export_model(toy_model, tmp_path, ["pte"], TOY_SIZE, precision="fp16")


def test_layers_stay_by_the_model_s_family_and_their_module_path():
    starter, other = Conversion("int8", "mobileinst-dense"), Conversion("int8", "mobileinst")
    assert starter.keeps("backbone.stage2.1.join.conv")
    assert not starter.keeps("backbone.stage5.1.join.conv")
    assert not other.keeps("backbone.stage2.1.join.conv")


def test_a_weight_is_known_whatever_the_order_of_its_values(traced):
    choice = choose_layers(traced, Conversion("int8"))["look"]
    weight = traced["look"].module.model.stem[3].weight.detach().numpy()
    assert choice.reduces(np.ascontiguousarray(weight.transpose(0, 2, 3, 1)))
    assert not choice.reduces(weight + 1)
    assert choice.precision == EntryPrecision(("shared", "stem.0", "stem.3"))


def test_zeros_of_either_sign_are_one_value_of_a_weight():
    assert fingerprint(np.float32([-0.0, 0.0, 1.0])) == fingerprint(np.float32([0.0, -0.0, 1.0]))


def test_a_weight_is_sorted_once(monkeypatch):
    fingerprints, weight = Fingerprints(), np.float32([2.0, 1.0])
    found = fingerprints(weight)
    assert found == fingerprint(weight) != fingerprints(np.float32([2.0, 2.0]))
    monkeypatch.setattr(np, "sort", None)
    assert fingerprints(weight.copy()) == found


@pytest.mark.parametrize(
    ("precision", "simplify", "kind"),
    [
        ("fp16", False, TensorProto.FLOAT16),
        ("int8", False, TensorProto.INT8),
        ("int8", True, TensorProto.INT8),
    ],
)
def test_onnx_stores_each_weight_in_fewer_bits_and_takes_and_gives_float(
    traced, tmp_path, precision, simplify, kind
):
    onnx_export.convert(traced, Conversion(precision, simplify=simplify)).write(tmp_path, "{}")
    model = onnx.load(tmp_path / "look.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert sum(tensor.data_type == kind for tensor in model.graph.initializer) == 3
    kinds = {item.type.tensor_type.elem_type for item in (*model.graph.input, *model.graph.output)}
    assert kinds == {TensorProto.FLOAT}


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_on_a_grid_are_steps_times_their_output_channel_s_size(axis):
    weights = np.float32([[127, -3], [0.5, 0.25]]) / 64
    steps, scale = split_grid(weights if axis == 0 else weights.T, axis)
    assert steps.dtype == np.int8
    np.testing.assert_array_equal(steps if axis == 0 else steps.T, [[127, -3], [127, 64]])
    np.testing.assert_array_equal((steps * scale if axis == 0 else (steps * scale).T)[0], weights[0])


def test_tflite_stores_each_weight_once_in_fewer_bits(reduced):
    precision, folder, _ = reduced
    content = (folder / f"toy_64x96_{precision}.tflite").read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content)
    tensors = (tensor for graph in model.subgraphs for tensor in graph.tensors)
    assert len({tensor.buffer for tensor in tensors if tensor.type == BITS[precision]}) == 4


def test_artefacts_say_their_precision_in_name_metadata_and_report(reduced):
    precision, folder, report = reduced
    assert report.precision == precision
    assert [item.path for item in report.artefacts] == [
        f"toy_64x96_{precision}_onnx",
        f"toy_64x96_{precision}.tflite",
    ]
    for item in report.artefacts:
        assert item.layers["paint"] == EntryPrecision(("classify", "shared"))
        assert load_artefact(folder / item.path).metadata.precision == precision
        assert item.parity.task.agreement >= TOLERANCES[precision].agreement


def test_the_formats_compute_the_same_rounded_weights(reduced):
    _, folder, report = reduced
    onnx_artefact, tflite = (load_artefact(folder / item.path) for item in report.artefacts)
    inputs = pseudo_random_inputs(tflite.metadata, "look")
    first, second = onnx_artefact.run("look", inputs), tflite.run("look", inputs)
    np.testing.assert_allclose(first["features"], second["features"], atol=1e-5)


def test_the_vectors_of_a_reduced_artefact_are_its_own(reduced):
    _, folder, report = reduced
    for item in report.artefacts:
        results = check_parity_vectors(load_artefact(folder / item.path))
        assert max(result.max_abs for result in results) == 0.0


def test_the_report_shows_what_a_user_would_see_of_the_rounding(reduced):
    precision, _, report = reduced
    console = Console(record=True, width=80)
    print_report(console, report)
    print_mixed(console, report)
    text = console.export_text()
    assert f"Kept instances at {precision} beside fp32's" in text
    assert "float32: biases: less than 2 %" in text


def test_a_precision_of_unknown_name_in_a_file_is_refused(reduced):
    precision, folder, report = reduced
    text = load_artefact(folder / report.artefacts[0].path).metadata.to_json()
    with pytest.raises(UserError, match="precision int3 is not one of fp32, fp16, int8"):
        metadata.parse_metadata(text.replace(f'"{precision}"', '"int3"'), "toy")


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


def test_each_layer_is_compared_with_fp32_s_worst_first(toy_model, traced, tmp_path):
    frame = np.random.default_rng(0).random((1, 3, *TOY_SIZE), np.float32) * 255
    errors = measure_layers(
        toy_model, {"look": traced["look"]}, Conversion("int8"), [Call(0, "look", {"frame": frame}, {})]
    )
    assert {item.layer for item in errors} == {"stem.0", "stem.3", "shared"}
    assert 0.02 > errors[0].relative_error >= errors[-1].relative_error > 1e-4
    table, plot = tmp_path / "toy.json", tmp_path / "toy.png"
    write_layer_errors(errors, table, plot)
    assert json.loads(table.read_text("utf-8"))[0] == asdict(errors[0])
    assert plot.read_bytes().startswith(b"\x89PNG")
