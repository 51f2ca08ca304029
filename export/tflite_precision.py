"""TFLite models in fewer bits, by AI Edge Quantizer."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

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

from mobilevis.export.layers import LayerChoice
from mobilevis.export.precision import Conversion
from mobilevis.export.tflite_graph import Kind, float_inputs, operator_kind, output_name
from mobilevis.export.tflite_static import computed_operators, measure_ranges

LAYERS = (Kind.CONV_2D, Kind.DEPTHWISE_CONV_2D, Kind.FULLY_CONNECTED, Kind.TRANSPOSE_CONV)
ANY = TFLOperationName.ALL_SUPPORTED
BYTES = TensorQuantizationConfig(num_bits=8, granularity=QuantGranularity.CHANNELWISE)
# Precision → how weights are stored, and how they are rounded to it.
STORAGE = {
    "fp16": (TensorQuantizationConfig(num_bits=16, dtype=TensorDataType.FLOAT), AlgorithmName.FLOAT_CASTING),
    "int8": (BYTES, AlgorithmName.MIN_MAX_UNIFORM_QUANT),
    "int8-static": (BYTES, AlgorithmName.MIN_MAX_UNIFORM_QUANT),
}


def reduce(content: bytes, how: Conversion, choices: Mapping[str, LayerChoice]) -> bytes:
    """A model whose layers' weights are stored in fewer bits, and which computes in 8 where it is to.

    Weights of layers that compute in float32 are behind a DEQUANTIZE each, which XNNPACK folds into the layer
    when the file is loaded.

    Args:
        content: the model in float32.
        how: the conversion.
        choices: entry, the name of a signature → which of its layers are reduced.
    """
    model = schema.ModelT.InitFromPackedBuf(content)
    quantizer = Quantizer(content)
    weights, algorithm = STORAGE[how.precision]
    stored = OpQuantizationConfig(
        weight_tensor_config=weights, compute_precision=ComputePrecision.FLOAT, explicit_dequantize=True
    )
    for name in _reduced_operators(model, choices.values()):
        quantizer.update_quantization_recipe(_only(name), ANY, stored, algorithm)
    computed = computed_operators(model, choices.values())
    for name in computed:  # in place of the rule above
        quantizer.add_static_config(_only(name), ANY, activation_num_bits=8, weight_num_bits=8)
    ranges = None
    if computed:
        entries = [entry for entry, choice in choices.items() if choice.precision.computed]
        runs = {entry: how.calibration[entry] for entry in entries}
        ranges = measure_ranges(content, quantizer.get_quantization_recipe(), runs)
    done = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(done.quantized_model)


def _reduced_operators(model: schema.ModelT, choices: Collection[LayerChoice]) -> list[str]:
    """Those with weights to reduce; a layer that the converter merged with a constant is known no more."""
    names = []
    for graph in model.subgraphs:
        for operator in graph.operators:
            stored = {i: values for i, values in float_inputs(model, graph, operator).items() if values.size}
            is_known = any(choice.reduces(values) for values in stored.values() for choice in choices)
            weights = stored.get(operator.inputs[1]) if operator_kind(model, operator) in LAYERS else None
            is_merged = weights is not None and not any(choice.find(weights) for choice in choices)
            if is_known or is_merged:
                names.append(output_name(graph, operator))
    return names


def _only(name: str) -> str:
    """A rule's pattern for the operator with this output alone."""
    return f"^{re.escape(name)};$"
