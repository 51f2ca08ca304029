"""One traced graph for each entry of a model: what every format converts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from mobilevis.models.entries import Entry, StreamingModel


class EntryModule(nn.Module):
    """One entry of a model as a module that takes and returns tensors by name."""

    def __init__(self, model: StreamingModel, entry: Entry) -> None:
        super().__init__()
        self.model = model
        self.entry = entry

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Run the entry.

        Raises:
            ValueError: the method returns another number of tensors than the entry has outputs.
        """
        outputs = getattr(self.model, self.entry.method)(*(inputs[name] for name in self.entry.inputs))
        if isinstance(outputs, Tensor):
            outputs = (outputs,)
        if len(outputs) != len(self.entry.outputs):
            raise ValueError(
                f"{self.entry.method} returns {len(outputs)} tensors for outputs {list(self.entry.outputs)}"
            )
        return dict(zip(self.entry.outputs, outputs))


@dataclass(frozen=True)
class TracedEntry:
    """An entry with what the converters need of it.

    Attributes:
        entry: names and shapes.
        module: the entry as a module with named inputs and outputs, in evaluation mode.
        sample_inputs: name → tensor; a graph is traced at fixed shapes, so the values do not matter.
        program: the graph, traced once for all formats.
    """

    entry: Entry
    module: EntryModule
    sample_inputs: Mapping[str, Tensor]
    program: ExportedProgram


def trace_entries(model: StreamingModel, entries: Mapping[str, Entry]) -> dict[str, TracedEntry]:
    """Trace every entry of a model in evaluation mode.

    Args:
        model: switched to evaluation mode.
        entries: as ``model.entries`` returns them.
    """
    traced = {}
    for name, entry in entries.items():
        module = EntryModule(model, entry).eval()
        samples = {tensor: torch.zeros(shape) for tensor, shape in entry.inputs.items()}
        with torch.no_grad():
            program = torch.export.export(module, (), samples)
        traced[name] = TracedEntry(entry, module, samples, program)
    return traced
