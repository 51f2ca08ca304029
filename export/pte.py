"""ExecuTorch: one .pte program with a method for each entry, computed by XNNPACK."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower

from mobilevis.export.delegation import EntryDelegation, entry_delegation
from mobilevis.export.layers import choose_layers
from mobilevis.export.precision import FP32, Conversion, EntryPrecision
from mobilevis.export.pte_static import quantise
from mobilevis.export.trace import TracedEntry
from mobilevis.runtime.engines.executorch import METADATA_METHOD


class PteProgram:
    """The lowered methods of all entries, ready to be written.

    Attributes:
        delegation: entry → what the delegate computes and what stays outside.
        layers: entry → which of its layers have the precision asked for; empty at fp32.
    """

    def __init__(self, edge: EdgeProgramManager, layers: Mapping[str, EntryPrecision] = {}) -> None:
        self.layers = layers
        self.delegation: dict[str, EntryDelegation] = {
            name: entry_delegation(edge.exported_program(name).graph) for name in sorted(edge.methods)
        }
        self._edge = edge

    def write(self, path: Path, metadata: str) -> None:
        """Emit the program with a constant method that returns the metadata.

        Emission does not lower again, so the delegates' payloads are the same bytes each time. It changes the
        graphs, so each one works on a copy.
        """
        programs = {name: copy.deepcopy(self._edge.exported_program(name)) for name in self._edge.methods}
        edge = EdgeProgramManager(programs, {METADATA_METHOD: metadata}, self._edge.compile_config)
        path.write_bytes(edge.to_executorch().buffer)


def convert(traced: Mapping[str, TracedEntry], how: Conversion = FP32) -> PteProgram:
    """Lower every entry to XNNPACK; weights that entries share are stored once."""
    programs = {name: item.program for name, item in traced.items()}
    layers: dict[str, EntryPrecision] = {}
    if how.is_reduced:
        choices = choose_layers(traced, how)
        layers = {name: choice.precision for name, choice in choices.items()}  # none is folded
        programs = {
            name: quantise(item, how.calibration.get(name, ()), choices[name])
            for name, item in traced.items()
        }
    edge = to_edge_transform_and_lower(programs, partitioner=[XnnpackPartitioner()])
    return PteProgram(edge, layers)
