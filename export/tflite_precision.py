"""Reduced precision of TFLite models, by AI Edge Quantizer."""

from __future__ import annotations

from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.qtyping import (
    ComputePrecision,
    OpQuantizationConfig,
    TensorDataType,
    TensorQuantizationConfig,
    TFLOperationName,
)
from ai_edge_quantizer.quantizer import Quantizer


def halve_weights(content: bytes) -> bytes:
    """A model whose layers' weights are stored as float16, each behind a DEQUANTIZE.

    XNNPACK folds that operator into the layer when the file is loaded.
    """
    quantizer = Quantizer(content)
    quantizer.update_quantization_recipe(
        ".*",
        TFLOperationName.ALL_SUPPORTED,
        OpQuantizationConfig(
            weight_tensor_config=TensorQuantizationConfig(num_bits=16, dtype=TensorDataType.FLOAT),
            compute_precision=ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        AlgorithmName.FLOAT_CASTING,
    )
    return bytes(quantizer.quantize(enable_progress_bar=False, enable_progress_report=False).quantized_model)
