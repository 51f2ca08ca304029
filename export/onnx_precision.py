"""Weights of ONNX graphs in fewer bits; what gives them back as float32 is folded when the file is loaded."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from mobilevis.export.layers import LayerChoice
from mobilevis.export.rounding import STEPS

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def reduce_weights(model: ModelProto, precision: str, choice: LayerChoice) -> ModelProto:
    """A graph whose layers' weights are stored as float16 or in 8 bits, computed in float32.

    Casts and products, not DequantizeLinear: ONNX Runtime folds that only where a session option says so, and
    else a convolution cannot pack its weights. ``onnxruntime.transformers.float16`` makes the arithmetic
    float16, too, and constants, which must stay (``mobilevis.export.precision``).
    """
    reduced = onnx.ModelProto()
    reduced.CopyFrom(model)
    graph = reduced.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers = {
        node.input[1]: node for node in graph.node if node.op_type in LAYERS and node.input[1] in constants
    }
    for name, node in sorted(readers.items()):
        values = numpy_helper.to_array(constants[name])
        if choice.keeps(values):
            continue  # what onnxsim merged with a constant is known no more, and reduced
        stored = f"{name}_{precision}"
        if precision == "fp16":
            constants[name].CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
            nodes = [helper.make_node("Cast", [stored], [name], f"{name}_cast", to=TensorProto.FLOAT)]
        else:
            steps, scale = split_grid(values, _output_axis(node))
            constants[name].CopyFrom(numpy_helper.from_array(steps, stored))
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
            whole = f"{name}_steps"
            nodes = [
                helper.make_node("Cast", [stored], [whole], f"{name}_cast", to=TensorProto.FLOAT),
                helper.make_node("Mul", [whole, f"{name}_scale"], [name], f"{name}_mul"),
            ]
        for position, made in enumerate(nodes):
            graph.node.insert(position, made)
    return reduced


def split_grid(weights: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights as steps of a symmetric grid and the step of each output channel, which broadcasts.

    Args:
        weights: float32.
        axis: of the output channels.
    """
    others = tuple(i for i in range(weights.ndim) if i != axis)
    scale = np.abs(weights).max(axis=others, keepdims=True) / np.float32(STEPS)
    scale[scale == 0] = 1
    return np.rint(weights / scale).astype(np.int8), scale


def _output_axis(node: NodeProto) -> int:
    if node.op_type == "MatMul":
        return 1
    if node.op_type == "Gemm":
        return 0 if any(item.name == "transB" and item.i for item in node.attribute) else 1
    return 1 if node.op_type == "ConvTranspose" else 0
