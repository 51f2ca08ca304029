"""What a driver asks of an artefact while it runs over frames, noted run by run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Optional

from mobilevis.runtime.arrays import Array, Image
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.sources import STILL_FPS, Source


@dataclass(frozen=True)
class Call:
    """One run of an entry on eager PyTorch, and the frame that it was made for."""

    frame: int
    entry: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


class FramesInMemory(Source):
    """Frames in memory; knows which one is under way.

    Args:
        name: for messages.
        frames: (H, W, 3) uint8 RGB each.
        stills: each is a picture of its own.
    """

    def __init__(self, name: str, frames: Sequence[Image], stills: bool = False) -> None:
        self.name, self.fps, self.frame_count, self.stills = name, STILL_FPS, len(frames), stills
        self._frames = frames
        self.current = 0

    def __iter__(self) -> Iterator[Image]:
        for index, frame in enumerate(self._frames):
            self.current = index
            yield frame


class Remembering(Artefact):
    """An artefact that computes nothing twice: a run with inputs that it had before has its outputs of then.

    Drivers give the same frames to the same entries whatever their options are.
    """

    def __init__(self, artefact: Artefact) -> None:
        self.metadata, self.engine, self.path = artefact.metadata, artefact.engine, artefact.path
        self._artefact = artefact
        self._known: dict[tuple[str, ...], dict[str, Array]] = {}

    @property
    def threads(self) -> Optional[int]:
        return self._artefact.threads

    def _run(self, entry: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        key = (
            entry,
            *(sha256(inputs[tensor.name].data).hexdigest() for tensor in self.metadata.entries[entry].inputs),
        )
        if key not in self._known:
            self._known[key] = self._artefact.run(entry, inputs)
        return dict(self._known[key])


class Recorder(Artefact):
    """An artefact that notes every run; inputs are copied, as a driver may reuse its buffers."""

    def __init__(self, artefact: Artefact, frames: FramesInMemory) -> None:
        self.metadata, self.engine, self.path = artefact.metadata, artefact.engine, artefact.path
        self.calls: list[Call] = []
        self._artefact = artefact
        self._frames = frames

    @property
    def threads(self) -> Optional[int]:
        return self._artefact.threads

    def _run(self, entry: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        outputs = self._artefact.run(entry, inputs)
        copies = {name: array.copy() for name, array in inputs.items()}
        self.calls.append(Call(self._frames.current, entry, copies, outputs))
        return outputs
