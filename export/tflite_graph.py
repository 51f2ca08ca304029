"""What operators of a TFLite model read."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray


def float_inputs(
    model: schema.ModelT, graph: schema.SubGraphT, operator: schema.OperatorT
) -> dict[int, NDArray[np.float32]]:
    """The float32 tensors that an operator reads: index → values, none of what is computed at run time."""
    return {
        index: _values(model.buffers[graph.tensors[index].buffer])
        for index in operator.inputs
        if index >= 0 and graph.tensors[index].type == schema.TensorType.FLOAT32
    }


def output_name(graph: schema.SubGraphT, operator: schema.OperatorT) -> str:
    """What AI Edge Quantizer knows an operator by: the name of its first output."""
    return str(graph.tensors[operator.outputs[0]].name.decode())


def _values(buffer: schema.BufferT) -> NDArray[np.float32]:
    data = np.array([], dtype=np.uint8) if buffer.data is None else np.asarray(buffer.data, dtype=np.uint8)
    return data.view(np.float32)
