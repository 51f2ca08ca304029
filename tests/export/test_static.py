"""Layers that compute in 8 bits: which they are, what the engine makes of them, and who has none."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.compiled_model import CompiledModel
from onnx import TensorProto
from rich.console import Console

from mobilevis.cli.export_tables import print_mixed
from mobilevis.export import export_model
from mobilevis.export import onnx as onnx_export
from mobilevis.export.layer_errors import measure_layers
from mobilevis.export.layers import choose_layers
from mobilevis.export.onnx_static import computed_nodes
from mobilevis.export.precision import PRECISIONS, Conversion, EntryPrecision, check_family
from mobilevis.export.recorder import Call, FramesInMemory
from mobilevis.export.tolerances import TOLERANCES
from mobilevis.export.trace import trace_entries
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import FORMATS
from tests.conftest import TOY_SIZE

STATIC = "int8-static"
# What becomes of the layers that compute in float32.
STORED_LAYERS = {
    "onnx": EntryPrecision(reduced=("classify", "shared")),
    "pte": EntryPrecision(kept=("classify", "shared")),
    "tflite": EntryPrecision(reduced=("classify", "shared")),
}


@pytest.fixture
def computing_toy(monkeypatch):
    """The toy's two convolutions compute in 8 bits, its linear layers do not."""
    monkeypatch.setitem(PRECISIONS[STATIC].computed, "toy", ("stem.*",))


@pytest.fixture(scope="module")
def traced(toy_model):
    return trace_entries(toy_model, toy_model.streaming(TOY_SIZE).entries)


@pytest.fixture(scope="module")
def frames():
    return [{"frame": np.random.default_rng(i).random((1, 3, *TOY_SIZE), np.float32) * 255} for i in range(2)]


@pytest.fixture
def conversion(computing_toy, frames):
    return Conversion(STATIC, "toy", calibration={"look": frames})


def test_layers_compute_by_the_model_s_family_and_their_module_path():
    how = Conversion(STATIC, "mobileinst")
    assert how.computes("mask_decoder.final.2.conv")
    assert not how.computes("instance_decoder.class_head")
    assert not Conversion("int8", "mobileinst").computes("mask_decoder.final.2.conv")


def test_a_family_that_computes_in_float32_is_refused_before_anything_is_traced(toy_model, tmp_path):
    message = "int8-static is for models with the driver mobileinst, this one's is toy: choose from .*int8$"
    source = FramesInMemory("frames", [])
    with pytest.raises(UserError, match=message):
        export_model(toy_model, tmp_path, input_size=TOY_SIZE, precision=STATIC, calibration=source)
    assert not any(tmp_path.iterdir())


def test_a_pte_keeps_the_layers_that_do_not_compute_in_8_bits_in_float32():
    onnx, pte = (Conversion(STATIC, "mobileinst", form=form) for form in ("onnx", "pte"))
    head, mask = "instance_decoder.class_head", "mask_decoder.final.2.conv"
    assert (onnx.keeps(head), onnx.keeps(mask)) == (False, False)
    assert (pte.keeps(head), pte.keeps(mask)) == (True, False)


def test_every_family_has_the_precisions_that_only_store():
    for precision in ("fp32", "fp16", "int8"):
        check_family(precision, "mobileinst-dense")


def test_layers_and_what_is_between_them_compute_in_8_bits(traced, conversion):
    graph = onnx_export.convert(traced).models["look"].graph
    kinds = {node.name: node.op_type for node in graph.node}
    choice = choose_layers(traced, conversion)["look"]
    assert Counter(kinds[name] for name in computed_nodes(graph, choice)) == {"Conv": 2, "Relu": 1}
    assert choice.precision.computed == ("stem.0", "stem.3")


def test_an_entry_without_such_layers_stores_its_weights_in_8_bits(traced, conversion):
    models = onnx_export.convert(traced, conversion).models
    assert "QuantizeLinear" in {node.op_type for node in models["look"].graph.node}
    paint = models["paint"].graph
    assert "QuantizeLinear" not in {node.op_type for node in paint.node}
    assert sum(tensor.data_type == TensorProto.INT8 for tensor in paint.initializer) == 2


def test_the_engine_convolves_integers_and_takes_and_gives_float(traced, conversion, frames, tmp_path):
    graph = onnx_export.convert(traced, conversion).models["look"]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    assert {item.type for item in (*session.get_inputs(), *session.get_outputs())} == {"tensor(float)"}
    whole = onnx_export.onnx.load(tmp_path / "optimised.onnx").graph
    kinds = Counter(node.op_type for node in whole.node)
    assert (kinds["QLinearConv"], kinds["Conv"]) == (2, 0)
    expected = traced["look"].program.module()(
        **{name: onnx_export.torch.from_numpy(array) for name, array in frames[0].items()}
    )
    actual = session.run(["features"], frames[0])[0]
    error = np.linalg.norm(actual - expected["features"].detach().numpy()) / np.linalg.norm(actual)
    assert 0.001 < error < 0.03


def test_layers_that_compute_in_8_bits_are_compared_with_fp32_s(toy_model, traced, conversion, frames):
    errors = measure_layers(toy_model, {"look": traced["look"]}, conversion, [Call(0, "look", frames[0], {})])
    assert {item.layer for item in errors} == {"stem.0", "stem.3", "shared"}
    assert max(item.relative_error for item in errors) < 0.03


@pytest.mark.parametrize(
    "formats", [("onnx",), pytest.param(("pte", "tflite"), marks=pytest.mark.slow)], ids="+".join
)
def test_an_export_tells_the_arithmetic_in_name_metadata_and_report(
    formats, toy_model, toy_frames, toy_driver, computing_toy, tmp_path
):
    report = export_model(
        toy_model,
        tmp_path,
        formats,
        TOY_SIZE,
        name="toy",
        frames=toy_frames,
        precision=STATIC,
        calibration=FramesInMemory("frames", toy_frames),
    )
    for item in report.artefacts:
        assert item.path == FORMATS[item.format].artefact_name("toy_64x96_int8-static")
        assert load_artefact(tmp_path / item.path).metadata.precision == STATIC
        assert item.layers["look"].computed == ("stem.0", "stem.3")
        assert item.layers["paint"] == STORED_LAYERS[item.format]
        assert item.parity.task.mask_iou >= TOLERANCES[STATIC].mask_iou
        features = next(output for output in item.parity.outputs if output.output == "features")
        assert 0.001 < features.relative_l2 < 0.03
        assert is_delegated_whole(item, tmp_path / item.path)
    text = print_to_text(report)
    assert "compute in it" in text
    assert "float32: segment: kernels times mask features" in text
    assert ("in a .pte" in text) == ("pte" in formats)


def is_delegated_whole(item, path):
    """Whether each entry is one call to XNNPACK; ONNX has no delegates."""
    if item.format == "tflite":
        return CompiledModel.from_file(str(path)).is_fully_accelerated()
    return all(found.delegate_calls == 1 for found in (item.delegation or {}).values())


def print_to_text(report):
    console = Console(record=True, width=100)
    print_mixed(console, report)
    return console.export_text()
