"""What the entries of a model see on real frames, and weights rounded for that."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import islice
from typing import Any

import torch
from torch import nn

from mobilevis.export.layers import list_layers
from mobilevis.export.precision import Conversion
from mobilevis.export.recorder import FramesInMemory, Recorder
from mobilevis.export.rounding import round_layers
from mobilevis.export.trace import EntryModule, fold
from mobilevis.models.entries import Streaming, StreamingModel
from mobilevis.runtime.arrays import Array
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import Source

# The inputs of 32 pictures of the starter at 416x416 take 200 MB.
CALIBRATION_FRAMES = 32


def round_model(model: StreamingModel, streaming: Streaming, how: Conversion) -> StreamingModel:
    """A copy of a model whose layers' weights are on a grid of 8 bits, rounded for what they read.

    Args:
        model: in evaluation mode.
        streaming: its entries.
        how: has the entries' inputs, and says which layers stay as they are.
    """
    rounded = fold(copy.deepcopy(model))
    layers = [
        layer
        for path, layer in list_layers(rounded)
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and not how.keeps(path)
    ]
    entries = {name: EntryModule(rounded, entry).eval() for name, entry in streaming.entries.items()}
    runs = {
        name: [{key: torch.from_numpy(array) for key, array in run.items()} for run in how.calibration[name]]
        for name in entries
    }
    round_layers(layers, entries, runs)
    return rounded


def record_inputs(
    eager: Artefact, source: Source, driver_options: Mapping[str, Any]
) -> dict[str, list[Mapping[str, Array]]]:
    """Run the fp32 model's own driver over frames spread over a source, and note what every entry is given.

    Args:
        eager: the model.
        source: pictures or a video; ``CALIBRATION_FRAMES`` of it at most are used.
        driver_options: under which the driver runs every entry.

    Returns:
        Entry → inputs of its runs.

    Raises:
        UserError: a frame cannot be read, there is none, or an entry was never run.
    """
    with source:
        step = max(1, -(-(source.frame_count or 0) // CALIBRATION_FRAMES))
        chosen = list(islice(source, 0, step * CALIBRATION_FRAMES, step))
    if not chosen:
        raise UserError("there are no frames to calibrate with", source.name, "give pictures or a video")
    frames = FramesInMemory(source.name, chosen, source.stills)
    recorder = Recorder(eager, frames)
    for _ in VideoSegmenter(recorder, **{**driver_options, "score_threshold": 0.0}).stream(frames):
        pass
    inputs: dict[str, list[Mapping[str, Array]]] = {entry: [] for entry in eager.metadata.entries}
    for call in recorder.calls:
        inputs[call.entry].append(call.inputs)
    for entry, runs in inputs.items():
        if not runs:
            raise UserError(
                f"entry {entry} is never run on the calibration frames", source.name, "give more frames"
            )
    return inputs
