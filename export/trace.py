"""One traced graph for each entry of a model: what every format converts.

Compilers run some hundred passes over each node of a graph, so a graph holds nothing that the entry does not
need: batch norms are folded, as is what modules fold themselves, and the parameters of the other entries are
left out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mobilevis.models.blocks.folding import Foldable
from mobilevis.models.entries import Entry, StreamingModel

Model = TypeVar("Model", bound=nn.Module)


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
        method = getattr(self.model, self.entry.method)
        outputs = method(*self.entry.arguments, *(inputs[name] for name in self.entry.inputs))
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
        program: the graph of the module.
    """

    entry: Entry
    module: nn.Module
    sample_inputs: dict[str, Tensor]
    program: ExportedProgram


def trace_entries(model: StreamingModel, entries: Mapping[str, Entry]) -> dict[str, TracedEntry]:
    """Trace every entry of a model.

    Args:
        model: in evaluation mode; it is not changed.
        entries: those of ``model.streaming``.
    """
    folded = fold(copy.deepcopy(model).eval())
    traced = {}
    for name, entry in entries.items():
        samples = {tensor: torch.zeros(shape) for tensor, shape in entry.inputs.items()}
        whole = EntryModule(folded, entry).eval()
        with torch.no_grad():
            program = torch.export.export(whole, (), samples)
        unread = _drop_unread(program)
        traced[name] = TracedEntry(entry, _without(whole, unread), samples, program)
    return traced


def fold(model: Model) -> Model:
    """Give a model the form that is exported, which computes the same, in place; once or more."""
    fold_batch_norms(model)
    for module in list(model.modules()):
        if isinstance(module, Foldable):
            module.fold()
    return model


def fold_batch_norms(model: Model) -> Model:
    """Fold each batch norm that follows a convolution in an ``nn.Sequential`` into it, in place."""
    for block in model.modules():
        if not isinstance(block, nn.Sequential) or type(block).forward is not nn.Sequential.forward:
            continue
        names = [name for name, _ in block.named_children()]
        for conv, norm in zip(names, names[1:]):
            first, second = block.get_submodule(conv), block.get_submodule(norm)
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(block, conv, fuse_conv_bn_eval(first, second))
                setattr(block, norm, nn.Identity())
    return model


def _drop_unread(program: ExportedProgram) -> list[str]:
    """Take the parameters and buffers that the graph does not read out of a program, in place: their names.

    A second trace, without them, gives the same program in twice the time.
    """
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    unread = {node: names[node.name] for node in program.graph.nodes if node.name in names and not node.users}
    inputs = {node.name for node in unread}
    signature.input_specs = [spec for spec in signature.input_specs if spec.arg.name not in inputs]
    for node, name in unread.items():
        program.graph.erase_node(node)
        # A buffer that is not persistent is among the constants.
        del (program.state_dict if name in program.state_dict else program.constants)[name]
    program.graph_module.recompile()
    return list(unread.values())


def _without(module: EntryModule, unread: Iterable[str]) -> nn.Module:
    """A copy of the module, with the same tensors, that lacks those of some names."""
    tensors = [*module.parameters(), *module.buffers()]
    trimmed = copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
    for name in unread:
        owner, _, leaf = name.rpartition(".")
        setattr(trimmed.get_submodule(owner), leaf, None)
    return trimmed
