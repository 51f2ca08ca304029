"""Eager PyTorch behind the engines' interface: the reference that every artefact is compared with."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from mobilevis.export.trace import EntryModule
from mobilevis.models.entries import Streaming, StreamingModel
from mobilevis.runtime.arrays import Array
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.metadata import Metadata


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch compute with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class EagerArtefact(Artefact):
    """A model that was never exported.

    Args:
        model: in evaluation mode, on any device.
        streaming: as ``model.streaming`` returns it.
        metadata: what an export of this model would carry.
    """

    engine = "pytorch"

    def __init__(self, model: StreamingModel, streaming: Streaming, metadata: Metadata) -> None:
        self.metadata = metadata
        self.path = Path(metadata.model)
        entries = streaming.entries.items()
        self._modules = {name: EntryModule(model, entry).eval() for name, entry in entries}
        self._device = next(model.parameters(), torch.empty(0)).device

    @property
    def threads(self) -> int:
        """Threads of PyTorch's pool, which the whole process shares."""
        return torch.get_num_threads()

    def in_float64(self, entry: str) -> Callable[[Mapping[str, Array]], dict[str, NDArray[np.float64]]]:
        """An entry of a copy of the model in float64: inputs → outputs by name.

        What is returned raises RuntimeError where an operator does not compute in float64.
        """
        module = copy.deepcopy(self._modules[entry]).double()

        def run(inputs: Mapping[str, Array]) -> dict[str, NDArray[np.float64]]:
            given = {
                name: torch.from_numpy(array).to(self._device).double() for name, array in inputs.items()
            }
            with torch.inference_mode():
                outputs = module(**given)
            return {name: output.double().cpu().numpy() for name, output in outputs.items()}

        return run

    def _run(self, entry: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = {name: torch.from_numpy(array).to(self._device) for name, array in inputs.items()}
        with torch.inference_mode():
            outputs = self._modules[entry](**given)
        # An entry may hand back its input or a parameter; the caller may keep outputs.
        return {
            name: output.clone(memory_format=torch.contiguous_format).cpu().numpy()
            for name, output in outputs.items()
        }
