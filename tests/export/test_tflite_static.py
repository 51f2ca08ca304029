"""Which operators of a TFLite model compute in 8 bits, and in which ranges, before its quantiser runs."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer

from mobilevis.export.layers import choose_layers
from mobilevis.export.precision import PRECISIONS, Conversion
from mobilevis.export.tflite import TfliteModel
from mobilevis.export.tflite_graph import Kind, float_constants
from mobilevis.export.tflite_precision import reduce
from mobilevis.export.tflite_static import computed_operators, measure_ranges
from mobilevis.export.trace import trace_entries
from mobilevis.runtime.engines.tflite_metadata import FILE_IDENTIFIER
from tests.conftest import TOY_SIZE


@pytest.fixture(scope="module")
def traced(toy_model):
    return trace_entries(toy_model, toy_model.streaming(TOY_SIZE).entries)


@pytest.fixture
def choices(traced, monkeypatch):
    """The toy's two convolutions compute in 8 bits, its linear layers do not."""
    monkeypatch.setitem(PRECISIONS["int8-static"].computed, "toy", ("stem.*",))
    return choose_layers(traced, Conversion("int8-static", "toy"))


def make_model(constants, *operators):
    """A model with the signature ``look`` from ``frame`` to the last output.

    Args:
        constants: name → float32 values.
        operators: (kind, names of inputs, name of the output).
    """
    names = list(dict.fromkeys(name for _, read, made in operators for name in (*read, made)))
    buffers, tensors = [schema.BufferT()], []
    for name in names:
        values = constants.get(name)
        if values is not None:
            buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), dtype=np.uint8)))
        tensors.append(
            schema.TensorT(
                name=name.encode(),
                type=schema.TensorType.FLOAT32,
                shape=[1, 2] if values is None else list(values.shape),
                buffer=0 if values is None else len(buffers) - 1,
            )
        )
    kinds = list(dict.fromkeys(kind for kind, _, _ in operators))
    ends = (names.index("frame"), names.index(operators[-1][2]))
    graph = schema.SubGraphT(
        tensors=tensors,
        inputs=[ends[0]],
        outputs=[ends[1]],
        operators=[
            schema.OperatorT(
                opcodeIndex=kinds.index(kind),
                inputs=[names.index(name) for name in read],
                outputs=[names.index(made)],
            )
            for kind, read, made in operators
        ],
    )
    frame, last = (schema.TensorMapT(name=names[index].encode(), tensorIndex=index) for index in ends)
    return schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT(builtinCode=kind, version=1) for kind in kinds],
        subgraphs=[graph],
        buffers=buffers,
        signatureDefs=[schema.SignatureDefT([frame], [last], b"look", 0)],
    )


def pack(model):
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def test_layers_their_padding_and_what_is_between_them_compute_in_8_bits(traced, choices):
    stem = traced["look"].module.model.stem
    first, second = (stem[index].weight.detach().numpy() for index in (0, 3))
    model = make_model(
        {"first": first, "second": second},
        (Kind.MUL, ["frame"], "normalised"),
        (Kind.PAD, ["normalised"], "padded"),
        (Kind.CONV_2D, ["padded", "first"], "a"),
        (Kind.RESIZE_BILINEAR, ["a"], "resized"),
        (Kind.CONV_2D, ["resized", "second"], "b"),
        (Kind.ADD, ["a", "b"], "sum"),
        (Kind.AVERAGE_POOL_2D, ["sum"], "pooled"),
        (Kind.ADD, ["sum", "pooled"], "half in float32"),
        (Kind.PAD, ["sum"], "read by none"),
    )
    assert computed_operators(model, choices.values()) == ["padded", "a", "resized", "b", "sum"]


def test_a_linear_layer_that_does_not_compute_in_8_bits_hands_float32_on(traced, choices):
    shared = traced["look"].module.model.shared.weight.detach().numpy()
    model = make_model(
        {"shared": shared},
        (Kind.FULLY_CONNECTED, ["frame", "shared"], "a"),
        (Kind.RELU, ["a"], "b"),
    )
    assert computed_operators(model, choices.values()) == []


def test_ranges_are_the_least_and_largest_values_of_all_runs():
    one = np.float32([[1, 1]])
    content = pack(make_model({"one": one}, (Kind.ADD, ["frame", "one"], "sum")))
    quantizer = Quantizer(content)
    quantizer.add_static_config(".*", TFLOperationName.ADD, activation_num_bits=8, weight_num_bits=8)
    runs = [{"frame": np.float32([values])} for values in ((0, 1), (-5, 0), (0, 7), (0, 1))]
    ranges = measure_ranges(content, quantizer.get_quantization_recipe(), {"look": runs})
    assert (ranges["frame"]["min"].item(), ranges["frame"]["max"].item()) == (-5, 7)
    assert (ranges["sum"]["min"].item(), ranges["sum"]["max"].item()) == (-4, 8)


def test_a_layer_whose_weights_are_not_in_the_file_is_said_to_be_folded(traced, choices):
    first = traced["look"].module.model.stem[0].weight.detach().numpy()
    content = pack(make_model({"first": first}, (Kind.CONV_2D, ["frame", "first"], "a")))
    found = choices["look"].describe(float_constants(content)["look"])
    assert (found.reduced, found.computed) == (("stem.0",), ("stem.0",))
    assert found.folded == ("shared", "stem.3")


def test_weights_that_the_converter_merged_with_a_constant_are_stored_in_8_bits_too(traced, choices):
    merged = traced["look"].module.model.shared.weight.detach().numpy() / np.float32(3)
    content = pack(make_model({"merged": merged}, (Kind.FULLY_CONNECTED, ["frame", "merged"], "a")))
    model = schema.ModelT.InitFromPackedBuf(reduce(content, Conversion("int8", "toy"), choices))
    kinds = {tensor.name: tensor.type for tensor in model.subgraphs[0].tensors}
    assert (kinds[b"merged"], kinds[b"a"]) == (schema.TensorType.INT8, schema.TensorType.FLOAT32)


def test_arrays_that_are_equal_are_stored_once(tmp_path):
    model = make_model({}, (Kind.ADD, ["frame", "frame"], "a"), (Kind.RELU, ["a"], "b"))
    tensors = model.subgraphs[0].tensors
    for tensor in tensors:
        tensor.quantization = schema.QuantizationParametersT(zeroPoint=np.zeros(64, dtype=np.int64))
    tensors[0].quantization.scale = np.zeros(128, dtype=np.float32)  # of other items, but the same bytes
    TfliteModel(pack(model)).write(tmp_path / "a.tflite", "{}")
    written = schema.ModelT.InitFromPackedBuf((tmp_path / "a.tflite").read_bytes())
    first, second, third = (tensor.quantization for tensor in written.subgraphs[0].tensors)
    assert first.scale.size == 128
    assert first.zeroPoint.tolist() == [0] * 64
    assert np.shares_memory(first.zeroPoint, second.zeroPoint)
    assert np.shares_memory(first.zeroPoint, third.zeroPoint)
