"""TFLite: one file with a signature for each entry, through litert-torch."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import flatbuffers
import litert_torch
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from mobilevis.export.layers import choose_layers
from mobilevis.export.precision import FP32, Conversion, EntryPrecision
from mobilevis.export.tflite_graph import float_constants
from mobilevis.export.tflite_precision import reduce
from mobilevis.export.trace import TracedEntry
from mobilevis.runtime.engines.tflite_metadata import FILE_IDENTIFIER
from mobilevis.runtime.metadata import METADATA_KEY

TENSOR_ALIGNMENT = 16  # `force_align: 16` of Buffer.data in TensorFlow's schema.fbs


class _Builder(flatbuffers.Builder):
    """Keeps tensor data aligned, as the generated Python code forgets, and stores equal arrays once.

    Layers in 8 bits have a zero point of 8 bytes for each channel of their weights and biases, all of them 0:
    6 % of MobileInst-TopFormer-tiny's file.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[int, bytes], int] = {}

    def StartVector(self, elem_size: int, count: int, alignment: int) -> None:  # noqa: N802
        super().StartVector(elem_size, count, max(alignment, TENSOR_ALIGNMENT))

    def CreateNumpyVector(self, values: NDArray[Any]) -> int:  # noqa: N802
        content = (values.itemsize, sha256(values.tobytes()).digest())
        if content not in self._written:
            self._written[content] = super().CreateNumpyVector(values)
        return self._written[content]


class TfliteModel:
    """The converted signatures of all entries, ready to be written.

    Attributes:
        layers: entry → which of its layers have the precision asked for; empty at fp32.
    """

    def __init__(self, content: bytes, layers: Mapping[str, EntryPrecision] = {}) -> None:
        self._content = content
        self.layers = layers

    def write(self, path: Path, metadata: str) -> None:
        """Write the model with the metadata in a buffer of its own."""
        model = schema.ModelT.InitFromPackedBuf(self._content)
        for tensor in model.buffers:
            if tensor.offset:  # a quantiser puts data behind the flatbuffer; this writer keeps it inside
                end = tensor.offset + tensor.size
                tensor.data = np.frombuffer(self._content[tensor.offset : end], dtype=np.uint8)
                tensor.offset = tensor.size = 0
        buffer = schema.BufferT(data=np.frombuffer(metadata.encode(), dtype=np.uint8))
        model.metadata = [*(model.metadata or []), schema.MetadataT(METADATA_KEY, len(model.buffers))]
        model.buffers.append(buffer)
        builder = _Builder(len(self._content))
        builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
        path.write_bytes(builder.Output())


def convert(traced: Mapping[str, TracedEntry], how: Conversion = FP32) -> TfliteModel:
    """Convert every entry to a signature of one model; weights that entries share are stored once."""
    litert_torch.config.show_progress = False
    converter = litert_torch.Converter()
    for name, item in traced.items():
        converter.add_signature(name, item.module, sample_kwargs=dict(item.sample_inputs))
    content = converter.convert().model_content()
    if not how.is_reduced:
        return TfliteModel(content)
    choices = choose_layers(traced, how)
    weights = float_constants(content)
    layers = {name: choice.describe(weights[name]) for name, choice in choices.items()}
    return TfliteModel(reduce(content, how, choices), layers)
