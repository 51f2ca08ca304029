"""Temporal-aware query routing on the host: an entry that a router leaves out is never run (TAR, Eq. 7)."""

from __future__ import annotations

from typing import Any, Optional

from mobilevis.runtime.artefact import Artefact
from mobilevis.runtime.drivers.minvis import Array, Features, MinVISDriver
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.stages import Stages

LAYER = "layer_"


def layers_kept(result: FrameResult) -> int:
    """How many decoder layers ran in a frame: each has a stage of its own, a skipped one has none."""
    return sum(stage.startswith(LAYER) for stage in result.milliseconds)


class RoutedDecoding(MinVISDriver):
    """Replaces ``decode`` by its layers, those that the routers keep.

    The first frame has no queries to compare with and runs every layer.
    """

    def __init__(self, artefact: Artefact, options: Any) -> None:
        facts = artefact.metadata.options
        self._layers, self._warmup = int(facts["decoder_layers"]), int(facts["warmup"])
        self._synchronises = "synchronise" in artefact.metadata.entries
        super().__init__(artefact, options)

    def reset(self) -> None:
        """Forget the video."""
        super().reset()
        self._previous: Optional[Array] = None

    def _decode(self, features: Features, stages: Stages) -> Features:
        tensors = dict(features)
        if self._previous is not None:
            tensors["previous"] = self._previous
        for index in range(self._layers):
            if index == self._warmup and self._synchronises and self._previous is not None:
                with stages("synchronise"):
                    tensors["queries"] = self._run("synchronise", tensors)["refined"]
            if index < self._warmup or self._keeps(index, tensors, stages):
                with stages(f"{LAYER}{index}"):
                    tensors["queries"] = self._run(f"{LAYER}{index}", tensors)["refined"]
        self._previous = tensors["queries"]
        with stages("read"):
            return self._run("read", tensors)

    def _keeps(self, index: int, tensors: Features, stages: Stages) -> bool:
        if self._previous is None:
            return True
        with stages("routers"):
            skip, keep = self._run(f"router_{index}", tensors)["scores"][0]
        return bool(keep > skip)


class TarMinVISDriver(RoutedDecoding):
    """TAR on MinVIS."""
