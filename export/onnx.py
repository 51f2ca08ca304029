"""ONNX: one self-contained file for each entry, through PyTorch's dynamo exporter."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx_ir
import torch
from onnx import TensorProto, numpy_helper

from mobilevis.export.layers import LayerChoice, choose_layers
from mobilevis.export.onnx_precision import reduce_weights
from mobilevis.export.onnx_static import quantise
from mobilevis.export.onnx_upsampling import use_resize
from mobilevis.export.precision import FP32, Conversion, EntryPrecision
from mobilevis.export.trace import TracedEntry
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import METADATA_KEY


class OnnxModels:
    """The converted graphs of all entries, ready to be written.

    Attributes:
        models: entry → graph.
        layers: entry → which of its layers have the precision asked for; empty at fp32.
    """

    def __init__(
        self, models: Mapping[str, onnx.ModelProto], layers: Mapping[str, EntryPrecision] = {}
    ) -> None:
        self.models = dict(models)
        self.layers = layers

    def write(self, path: Path, metadata: str) -> None:
        """Write ``<entry>.onnx`` files, each with the metadata, into an existing folder."""
        for name, model in self.models.items():
            del model.metadata_props[:]
            onnx.helper.set_model_props(model, {METADATA_KEY: metadata})
            onnx.save(model, path / f"{name}.onnx")

    def simplify(self) -> OnnxModels:
        """The graphs after onnxsim.

        Raises:
            UserError: onnxsim failed or crashed.
        """
        return OnnxModels({name: _simplify(name, model) for name, model in self.models.items()})

    def reduce(self, how: Conversion, choices: Mapping[str, LayerChoice]) -> OnnxModels:
        """The graphs at a precision below fp32."""
        reduced, layers = {}, {}
        for name, model in self.models.items():
            constants = (item for item in model.graph.initializer if item.data_type == TensorProto.FLOAT)
            layers[name] = choices[name].describe(numpy_helper.to_array(item) for item in constants)
            computed = quantise(model, how.calibration.get(name, ()), choices[name])
            reduced[name] = reduce_weights(computed, how.precision, choices[name])
        return OnnxModels(reduced, layers)


def convert(traced: Mapping[str, TracedEntry], how: Conversion = FP32) -> OnnxModels:
    """Convert every entry with ``torch.onnx`` (dynamo), weights inside.

    Raises:
        UserError: onnxsim failed or crashed.
    """
    models = OnnxModels({name: _convert_entry(item) for name, item in traced.items()})
    if how.simplify:
        models = models.simplify()  # first: it would compute the weights back to float32
    return models.reduce(how, choose_layers(traced, how)) if how.is_reduced else models


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
    return _without_traces(onnx_ir.to_proto(use_resize(program.model)))


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the stack traces: they hold the exporting machine's paths and are larger than a small graph."""
    graph = model.graph
    for item in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.ClearField("doc_string")
    return model


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
