"""ONNX: one self-contained file for each entry, through PyTorch's dynamo exporter."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from mobilevis.export.precision import FP32, Conversion
from mobilevis.export.trace import TracedEntry
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import METADATA_KEY


class OnnxModels:
    """The converted graphs of all entries, ready to be written."""

    def __init__(self, models: Mapping[str, onnx.ModelProto]) -> None:
        self._models = dict(models)

    def write(self, path: Path, metadata: str) -> None:
        """Write ``<entry>.onnx`` files, each with the metadata, into an existing folder."""
        for name, model in self._models.items():
            del model.metadata_props[:]
            onnx.helper.set_model_props(model, {METADATA_KEY: metadata})
            onnx.save(model, path / f"{name}.onnx")

    def simplify(self) -> OnnxModels:
        """The graphs after onnxsim.

        Raises:
            UserError: onnxsim failed or crashed.
        """
        return OnnxModels({name: _simplify(name, model) for name, model in self._models.items()})

    def halve_weights(self) -> OnnxModels:
        """The graphs with the layers' weights in float16."""
        return OnnxModels({name: halve_weights(model) for name, model in self._models.items()})


def convert(traced: Mapping[str, TracedEntry], how: Conversion = FP32) -> OnnxModels:
    """Convert every entry with ``torch.onnx`` (dynamo), weights inside.

    Raises:
        UserError: onnxsim failed or crashed.
    """
    models = OnnxModels({name: _convert_entry(item) for name, item in traced.items()})
    if how.simplify:
        models = models.simplify()  # first: it would compute the weights back to float32
    return models.halve_weights() if how.is_reduced else models


def _convert_entry(item: TracedEntry) -> onnx.ModelProto:
    program = torch.onnx.export(
        item.program,
        dynamo=True,
        input_names=list(item.entry.inputs),
        output_names=list(item.entry.outputs),
        external_data=False,
        verbose=False,
    )
    assert program is not None  # None only where torch.onnx.export is given a file
    return _without_traces(program.model_proto)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the stack traces: they hold the exporting machine's paths and are larger than a small graph."""
    graph = model.graph
    for item in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.ClearField("doc_string")
    return model


LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph whose layers' weights are stored as float16; casts, folded on load, give them back as float32.

    ``onnxruntime.transformers.float16`` makes the arithmetic float16, too, and constants, which must stay
    (``mobilevis.export.precision``).
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    graph = halved.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    names = {node.input[1] for node in graph.node if node.op_type in LAYERS} & constants.keys()
    for name in sorted(names):
        half = f"{name}_half"
        values = numpy_helper.to_array(constants[name]).astype(np.float16)
        constants[name].CopyFrom(numpy_helper.from_array(values, half))
        cast = onnx.helper.make_node("Cast", [half], [name], f"{name}_cast", to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, cast)
    return halved


def _simplify(name: str, model: onnx.ModelProto) -> onnx.ModelProto:
    """Run onnxsim in a child process: its native code can crash on a graph that it does not know."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        onnx.save(model, source)
        done = subprocess.run(
            [sys.executable, "-m", "onnxsim", str(source), str(target)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not target.is_file():
            reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise UserError(
                f"onnxsim failed on entry {name} (exit {done.returncode}: {reason})",
                fix="export without --simplify",
            )
        return onnx.load(target)
