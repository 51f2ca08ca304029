"""Temporal-aware query routing on the host: an entry that a router leaves out is never run (TAR, Eq. 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.drivers.dvis_plus import DvisPlusDriver
from mobilevis.runtime.drivers.frames import Features, run_entry
from mobilevis.runtime.drivers.minvis import MinVISDriver
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.stages import Stages

LAYER = "layer_"


@dataclass(frozen=True)
class TarOptions(InstanceOptions):
    """How a routed artefact is run.

    Attributes:
        fixed_layers: run so many layers in every frame instead of routing (Table 5; all of them for the
            baseline); None routes.
    """

    fixed_layers: Optional[int] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fixed_layers is not None and self.fixed_layers < 1:
            raise ValueError(f"fixed_layers is {self.fixed_layers}, it must be 1 or more")


def layers_kept(result: FrameResult) -> int:
    """How many decoder layers ran in a frame: each has a stage of its own, a skipped one has none."""
    return sum(stage.startswith(LAYER) for stage in result.milliseconds)


class RoutedDecoding(MinVISDriver):
    """Replaces ``decode`` by its layers, those that the routers keep.

    The first frame has no queries to compare with and runs every layer.
    """

    def __init__(self, artefact: Artefact, options: TarOptions) -> None:
        facts = Facts(artefact.metadata)
        self._layers, self._warmup = facts.whole_number("decoder_layers"), facts.whole_number("warmup", 0)
        self._routes = options.fixed_layers is None
        if options.fixed_layers is not None:
            if options.fixed_layers > self._layers:
                raise ValueError(f"fixed_layers is {options.fixed_layers}, the decoder has {self._layers}")
            self._layers = options.fixed_layers
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
                    tensors["queries"] = run_entry(self._artefact, "synchronise", tensors)["refined"]
            if index < self._warmup or self._keeps(index, tensors, stages):
                with stages(f"{LAYER}{index}"):
                    tensors["queries"] = run_entry(self._artefact, f"{LAYER}{index}", tensors)["refined"]
        if self._routes:
            self._previous = tensors["queries"]
        with stages("read"):
            return run_entry(self._artefact, "read", tensors)

    def _keeps(self, index: int, tensors: Features, stages: Stages) -> bool:
        if self._previous is None:
            return True
        with stages("routers"):
            skip, keep = run_entry(self._artefact, f"router_{index}", tensors)["scores"][0]
        return bool(keep > skip)


class TarMinVISDriver(RoutedDecoding):
    """TAR on MinVIS."""


class TarDvisPlusDriver(RoutedDecoding, DvisPlusDriver):
    """TAR on DVIS++."""
