"""ONNX graphs whose layers compute in 8 bits: static QDQ by ONNX Runtime's quantiser."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Optional

import onnx
from onnx import GraphProto, ModelProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from mobilevis.export.layers import LayerChoice
from mobilevis.export.onnx_precision import LAYERS
from mobilevis.runtime.arrays import Array

# They hand 8 bits on as 8 bits: without them each layer would leave for float32 and come back, for 0.75 of
# fp32's time instead of 0.5. Pooling, gates (Mul, Clip) and attention in 8 bits save nothing more.
FOLLOWERS = ("Add", "Concat", "Relu", "Resize")


def quantise(model: ModelProto, inputs: Sequence[Mapping[str, Array]], choice: LayerChoice) -> ModelProto:
    """Put QuantizeLinear and DequantizeLinear around what is to compute in 8 bits.

    Weights are signed, by output channel; activations unsigned, by tensor, in the range that they have on the
    runs: what ONNX Runtime recommends for x86 with VNNI and for ARM
    (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).

    Args:
        model: an entry's graph in float32.
        inputs: of the entry's runs on real frames; the ranges of activations are measured on them.
        choice: which of its layers compute in 8 bits.
    """
    nodes = computed_nodes(model.graph, choice)
    if not nodes:
        return model
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "quantised.onnx"
        quantize_static(
            model,
            target,
            _Reader(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=[*LAYERS, *FOLLOWERS],
            nodes_to_quantize=nodes,
        )
        return onnx.load(target)


def computed_nodes(graph: GraphProto, choice: LayerChoice) -> list[str]:
    """The layers that compute in 8 bits, and the followers whose inputs all come from such, by name."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    names, carried = [], set[str]()
    for node in graph.node:
        read = [name for name in node.input if name and name not in constants]
        if node.op_type in LAYERS and node.input[1] in constants:
            is_computed = choice.computes(numpy_helper.to_array(constants[node.input[1]]))
        else:
            is_computed = node.op_type in FOLLOWERS and bool(read) and carried.issuperset(read)
        if is_computed:
            names.append(node.name)
            carried.update(node.output)
    return names


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    def __init__(self, inputs: Sequence[Mapping[str, Array]]) -> None:
        self._inputs: Iterator[Mapping[str, Array]] = iter(inputs)

    def get_next(self) -> Optional[Mapping[str, Array]]:
        """The next run's inputs, or None at the end: the interface that the quantiser asks for."""
        return next(self._inputs, None)
