"""What is particular to one format."""

from __future__ import annotations

import operator

import flatbuffers
import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from mobilevis.export import onnx as onnx_export
from mobilevis.export import pte, tflite
from mobilevis.export.delegation import entry_delegation
from mobilevis.export.trace import trace_entries
from mobilevis.runtime.engines.tflite_metadata import FILE_IDENTIFIER
from mobilevis.runtime.errors import UserError


@pytest.fixture(scope="module")
def traced(toy_model):
    return trace_entries(toy_model, toy_model.streaming((64, 96)).entries)


def test_an_onnx_file_is_self_contained_and_valid(toy_artefacts):
    for file in toy_artefacts["onnx"].iterdir():
        assert file.suffix == ".onnx"
        model = onnx.load(file, load_external_data=False)
        onnx.checker.check_model(model, full_check=True)
        assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_simplified_onnx_keeps_names_and_shapes(traced, tmp_path):
    onnx_export.convert(traced).simplify().write(tmp_path, "{}")
    graph = onnx.load(tmp_path / "paint.onnx").graph
    assert [value.name for value in graph.input] == ["queries", "features"]
    assert [value.name for value in graph.output] == ["masks", "scores", "next_queries"]


def test_a_graph_that_onnxsim_cannot_take_is_named():
    broken = onnx_export.OnnxModels({"look": onnx.ModelProto()})
    with pytest.raises(UserError, match=r"onnxsim failed on entry look .*export without --simplify"):
        broken.simplify()


def test_the_payload_of_a_pte_does_not_depend_on_its_metadata(traced, tmp_path):
    program = pte.convert(traced)
    program.write(tmp_path / "a.pte", "short")
    program.write(tmp_path / "b.pte", "a much longer text" * 100)
    program.write(tmp_path / "c.pte", "short")
    a, b = ((tmp_path / name).read_bytes() for name in ("a.pte", "b.pte"))
    assert a == (tmp_path / "c.pte").read_bytes()
    # The segments of weights and delegates begin where the extended header says: bytes 24 to 32.
    assert a[int.from_bytes(a[24:32], "little") :] == b[int.from_bytes(b[24:32], "little") :]


def tensor_positions(path):
    """Where a .tflite file holds its buffers, in bytes from its start."""
    model = schema.Model.GetRootAs(path.read_bytes())
    buffers = [model.Buffers(index)._tab for index in range(model.BuffersLength())]
    return [table.Vector(table.Offset(4)) for table in buffers if table.Offset(4)]


def test_tflite_tensors_stay_aligned_to_16_bytes(toy_artefacts):
    positions = tensor_positions(toy_artefacts["tflite"])
    assert len(positions) > 5
    assert all(position % 16 == 0 for position in positions)


def test_tensors_of_any_length_are_aligned_when_tflite_metadata_are_written(tmp_path):
    model = schema.ModelT()
    model.buffers = [schema.BufferT(data=np.zeros(length, dtype=np.uint8)) for length in (1, 5, 18, 3)]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    tflite.TfliteModel(bytes(builder.Output())).write(tmp_path / "model.tflite", "{}")
    positions = tensor_positions(tmp_path / "model.tflite")
    assert len(positions) == 5
    assert all(position % 16 == 0 for position in positions)


def test_delegation_counts_calls_operators_and_layout_copies():
    graph = torch.fx.Graph()
    x = graph.placeholder("x")

    def executorch_call_delegate(x):
        return x

    delegated = graph.call_function(executorch_call_delegate, (x,))
    first = graph.call_function(operator.getitem, (delegated, 0))
    pooled = graph.call_function(torch.ops.aten.mean.dim, (first, [2]))
    copied = graph.call_function(torch.ops.dim_order_ops._to_dim_order_copy.default, (pooled,))
    graph.output(copied)
    found = entry_delegation(graph)
    assert found.delegate_calls == 1
    assert found.operators_outside == {"aten.mean.dim": 1}
    assert found.layout_copies == {"dim_order_ops._to_dim_order_copy": 1}
    assert not found.whole


def test_tflite_keeps_the_metadata_that_the_converter_wrote(traced, tmp_path):
    model = tflite.convert(traced)
    model.write(tmp_path / "m.tflite", "{}")
    names = [m.name for m in schema.ModelT.InitFromPackedBuf((tmp_path / "m.tflite").read_bytes()).metadata]
    assert b"mobilevis" in names
    assert b"min_runtime_version" in names
