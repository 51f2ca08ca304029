"""What a TFLite model and its operators read."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Kind = schema.BuiltinOperator


def float_inputs(
    model: schema.ModelT, graph: schema.SubGraphT, operator: schema.OperatorT
) -> dict[int, NDArray[np.float32]]:
    """The float32 tensors that an operator reads: index → values, none of what is computed at run time."""
    return {
        index: _values(model.buffers[graph.tensors[index].buffer])
        for index in operator.inputs
        if index >= 0 and graph.tensors[index].type == schema.TensorType.FLOAT32
    }


def float_constants(content: bytes) -> dict[str, list[NDArray[np.float32]]]:
    """Signature → values of the float32 tensors that are stored in a model's file."""
    model = schema.ModelT.InitFromPackedBuf(content)
    found = {}
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        read = (float_inputs(model, graph, operator) for operator in graph.operators)
        values = {index: array for tensors in read for index, array in tensors.items()}
        found[signature.signatureKey.decode()] = [array for array in values.values() if array.size]
    return found


def operator_kind(model: schema.ModelT, operator: schema.OperatorT) -> int:
    """Which ``Kind`` an operator is of."""
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)


def output_name(graph: schema.SubGraphT, operator: schema.OperatorT) -> str:
    """What AI Edge Quantizer knows an operator by: the name of its first output."""
    return str(graph.tensors[operator.outputs[0]].name.decode())


def _values(buffer: schema.BufferT) -> NDArray[np.float32]:
    data = np.array([], dtype=np.uint8) if buffer.data is None else np.asarray(buffer.data, dtype=np.uint8)
    return data.view(np.float32)
