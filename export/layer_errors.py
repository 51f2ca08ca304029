"""Where rounding comes from: how far each layer's output is from fp32's (``export --debug-quantisation``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

import numpy as np
import onnx
import onnxruntime
from onnx import GraphProto, ModelProto, helper, numpy_helper
from onnxruntime.quantization.quant_utils import add_dequant_output_suffix

from mobilevis.export.layers import LayerChoice, choose_layers
from mobilevis.export.onnx import convert
from mobilevis.export.onnx_precision import LAYERS
from mobilevis.export.precision import Conversion
from mobilevis.export.recorder import Call
from mobilevis.export.trace import TracedEntry, trace_entries
from mobilevis.models.entries import StreamingModel
from mobilevis.runtime.arrays import Array
from mobilevis.runtime.errors import missing_extra

RUNS = 4  # of each entry: all outputs of all layers are in memory at once
SHOWN = 30  # layers in the plot


@dataclass(frozen=True)
class LayerError:
    """A layer's output at a reduced precision beside fp32's; what the layers before it did is in it.

    Attributes:
        entry: that runs the layer.
        layer: its module path.
        relative_error: norm of the difference over the norm of fp32's values.
        sqnr_db: the same as a signal-to-noise ratio, in decibels; None where there is no difference.
    """

    entry: str
    layer: str
    relative_error: float
    sqnr_db: Optional[float]


def measure_layers(
    model: StreamingModel, traced: Mapping[str, TracedEntry], how: Conversion, calls: Sequence[Call]
) -> list[LayerError]:
    """Run the ONNX graphs of both precisions and compare the output of each layer, worst first.

    Args:
        model: with fp32's weights.
        traced: its entries as they are converted.
        how: the conversion.
        calls: runs of the entries; ``RUNS`` of each are used.
    """
    original = trace_entries(model, {name: item.entry for name, item in traced.items()})
    before, after = convert(original).models, convert(traced, how).models
    choices = choose_layers(original, how)
    found = []
    for entry, graph in before.items():
        outputs = _layer_outputs(graph.graph, choices[entry])
        inputs = [call.inputs for call in calls if call.entry == entry][:RUNS]
        first = _run(graph, list(outputs), inputs)
        second = _run(after[entry], _as_read(after[entry].graph, outputs), inputs)
        for path, expected, actual in zip(outputs.values(), first, second):
            error = float(np.linalg.norm(actual - expected)) / max(float(np.linalg.norm(expected)), 1e-12)
            found.append(LayerError(entry, path, error, -20 * float(np.log10(error)) if error else None))
    return sorted(found, key=lambda item: -item.relative_error)


def write_layer_errors(errors: Sequence[LayerError], table: Path, plot: Path) -> None:
    """Write the errors as JSON, and the worst of them as a plot.

    Raises:
        UserError: matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra(str(error.name), "train") from error
    table.write_text(json.dumps([asdict(item) for item in errors], indent=2) + "\n", encoding="utf-8")
    worst = list(errors[:SHOWN])[::-1]
    figure = Figure(figsize=(9, 1 + 0.25 * len(worst)), layout="constrained")
    axes = figure.subplots()
    axes.barh([f"{item.entry}: {item.layer}" for item in worst], [item.relative_error for item in worst])
    axes.set_xlabel("difference from fp32 over the norm of the layer's output")
    axes.tick_params(axis="y", labelsize=7)
    figure.savefig(plot, format="png", dpi=120)


def _layer_outputs(graph: GraphProto, choice: LayerChoice) -> dict[str, str]:
    """Tensor → path of the layer that makes it, behind a ReLU, which a quantiser fuses into the layer."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    rectified = {node.input[0]: node.output[0] for node in graph.node if node.op_type in ("Relu", "Clip")}
    outputs = {}
    for node in graph.node:
        if node.op_type in LAYERS and node.input[1] in constants:
            path = choice.find(numpy_helper.to_array(constants[node.input[1]]))
            if path is not None:
                outputs[rectified.get(node.output[0], node.output[0])] = path
    return outputs


def _as_read(graph: GraphProto, names: Iterable[str]) -> list[str]:
    """The tensors as later layers read them: of 8 bits that are put in range, which stands for a ReLU."""
    made = {name for node in graph.node for name in node.output}
    return [
        dequantised if (dequantised := add_dequant_output_suffix(name)) in made else name for name in names
    ]


def _run(model: ModelProto, names: Sequence[str], runs: Sequence[Mapping[str, Array]]) -> list[Array]:
    """The tensors of a graph, all runs joined."""
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    known = {item.name for item in probed.graph.output}
    for name in dict.fromkeys(names):
        if name not in known:
            probed.graph.output.append(helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(probed.SerializeToString(), options)
    results = [session.run(list(names), dict(run)) for run in runs]
    return [np.stack(values) for values in zip(*results)]
