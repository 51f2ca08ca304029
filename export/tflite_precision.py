"""Weights of TFLite models in fewer bits, by AI Edge Quantizer."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import (
    ComputePrecision,
    OpQuantizationConfig,
    QuantGranularity,
    TensorDataType,
    TensorQuantizationConfig,
    TFLOperationName,
)
from ai_edge_quantizer.quantizer import Quantizer
from numpy.typing import NDArray

from mobilevis.export.layers import LayerChoice

# Precision → how weights are stored, and how they are rounded to it.
STORAGE = {
    "fp16": (TensorQuantizationConfig(num_bits=16, dtype=TensorDataType.FLOAT), AlgorithmName.FLOAT_CASTING),
    "int8": (
        TensorQuantizationConfig(num_bits=8, granularity=QuantGranularity.CHANNELWISE),
        AlgorithmName.MIN_MAX_UNIFORM_QUANT,
    ),
}


def reduce_weights(content: bytes, precision: str, choices: Collection[LayerChoice]) -> bytes:
    """A model whose layers' weights are stored in fewer bits, each behind a DEQUANTIZE.

    XNNPACK folds that operator into the layer when the file is loaded.
    """
    weights, algorithm = STORAGE[precision]
    config = OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=ComputePrecision.FLOAT, explicit_dequantize=True
    )
    quantizer = Quantizer(content)
    for name in _reduced_operators(content, choices):
        quantizer.update_quantization_recipe(
            f"^{re.escape(name)};$", TFLOperationName.ALL_SUPPORTED, config, algorithm
        )
    return bytes(quantizer.quantize(enable_progress_bar=False, enable_progress_report=False).quantized_model)


def _reduced_operators(content: bytes, choices: Collection[LayerChoice]) -> list[str]:
    """Operators with weights to reduce, by their output's name, as AI Edge Quantizer knows them."""
    model = schema.ModelT.InitFromPackedBuf(content)
    names = dict[str, None]()
    for graph in model.subgraphs:
        for operator in graph.operators:
            read = [graph.tensors[index] for index in operator.inputs if index >= 0]
            weights = [_read_values(model.buffers[tensor.buffer]) for tensor in read if _is_float(tensor)]
            if any(choice.reduces(values) for values in weights if values.size for choice in choices):
                names[graph.tensors[operator.outputs[0]].name.decode()] = None
    return list(names)


def _is_float(tensor: schema.TensorT) -> bool:
    return bool(tensor.type == schema.TensorType.FLOAT32)


def _read_values(buffer: schema.BufferT) -> NDArray[np.float32]:
    data = np.array([], dtype=np.uint8) if buffer.data is None else np.asarray(buffer.data, dtype=np.uint8)
    return data.view(np.float32)
