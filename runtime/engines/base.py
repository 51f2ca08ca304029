"""What every engine shares: the checks around a run, the thread limit, and quiet loading."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Optional

import numpy as np

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec

Shape = tuple[int, ...]
Shapes = Mapping[str, Sequence[int]]


class Artefact(ABC):
    """A loaded artefact: stateless entries that run on one engine.

    Attributes:
        metadata: what the artefact says of itself.
        engine: name of the engine, such as ``onnxruntime``.
        path: the file or folder, for error messages.
        metadata_text: the metadata as the file holds them; empty for what was never exported.

    Threads may share an artefact: its runs follow one another.
    """

    metadata: Metadata
    engine: str
    path: Path
    metadata_text: str = ""
    _lock: threading.Lock

    def __new__(cls, *_: Any, **__: Any) -> Artefact:
        """Make the lock here: no engine can forget it."""
        made = super().__new__(cls)
        made._lock = threading.Lock()
        return made

    @property
    @abstractmethod
    def threads(self) -> Optional[int]:
        """Threads that compute an entry, read back from the engine; None where it cannot be found out."""

    @abstractmethod
    def _run(self, entry: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run an entry on checked inputs; the outputs are the caller's to keep."""

    def run(self, entry: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one entry.

        Args:
            entry: a name in ``metadata.entries``.
            inputs: name → C-contiguous float32 array of exactly the shape in the metadata.

        Returns:
            Name → float32 array, in the metadata's order. No later run overwrites them.

        Raises:
            ValueError: an unknown entry, or an input with another name, shape, dtype or layout.
            UserError: the engine fails, or an output holds NaN or infinity.
        """
        spec = self.metadata.entries.get(entry)
        if spec is None:
            raise ValueError(f"unknown entry {entry}; this artefact has {', '.join(self.metadata.entries)}")
        check_inputs(entry, spec, inputs)
        try:
            # LiteRT's interpreter holds inputs and outputs itself: two threads would mix them.
            with self._lock:
                outputs = self._run(entry, inputs)
        except Exception as error:  # the engines' exception classes share no public base
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{self.engine} fails in entry {entry}: {reason}", self.path, "export the model again"
            ) from error
        self._check_outputs(entry, outputs)
        return {tensor.name: outputs[tensor.name] for tensor in spec.outputs}

    def _check_outputs(self, entry: str, outputs: Mapping[str, Array]) -> None:
        for name, array in outputs.items():
            # 0.06 ms for the largest output of MobileInst at 320x640 (3.3 MB), a thousandth of its encode.
            if not np.isfinite(array).all():
                what = "NaN" if np.isnan(array).any() else "infinity"
                raise UserError(
                    f"output {name} of entry {entry} holds {what} on {self.engine}",
                    self.path,
                    "the weights or the input are broken: check the checkpoint and export again",
                )


def check_inputs(entry: str, spec: EntrySpec, inputs: Mapping[str, Array]) -> None:
    """Refuse anything but contiguous float32 of the exact names and shapes.

    Engines read raw memory: a strided or transposed array is silently misread
    (https://github.com/pytorch/executorch/issues/18562).

    Raises:
        ValueError: an input that an engine could misread.
    """
    names = [tensor.name for tensor in spec.inputs]
    if set(inputs) != set(names):
        raise ValueError(f"entry {entry} takes {', '.join(names)}; got {', '.join(inputs) or 'nothing'}")
    for tensor in spec.inputs:
        array = inputs[tensor.name]
        where = f"input {tensor.name} of entry {entry}"
        if not isinstance(array, np.ndarray) or array.dtype != np.float32:
            raise ValueError(
                f"{where} is not a float32 array: {getattr(array, 'dtype', type(array).__name__)}"
            )
        if array.shape != tensor.shape:
            raise ValueError(f"{where} has shape {array.shape}; the artefact takes {tensor.shape}")
        if not (array.flags.c_contiguous and array.flags.aligned):
            raise ValueError(f"{where} is not contiguous: pass it through np.ascontiguousarray")


def check_signature(file: Path, entry: str, spec: EntrySpec, inputs: Shapes, outputs: Shapes) -> None:
    """Refuse an artefact whose metadata and graph disagree.

    Args:
        file: the artefact, for the error message.
        entry: name of the entry.
        spec: what the metadata say.
        inputs: what the engine says: name → shape.
        outputs: likewise.

    Raises:
        UserError: names or shapes differ.
    """
    for said, found in ((spec.inputs, inputs), (spec.outputs, outputs)):
        expected = {tensor.name: tensor.shape for tensor in said}
        actual = {name: tuple(shape) for name, shape in found.items()}
        if expected != actual:
            raise UserError(
                f"the metadata give entry {entry} {_shapes(expected)} but its graph has {_shapes(actual)}",
                file,
                "export the model again",
            )


def _shapes(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())


def name_shapes(tensors: Sequence[TensorSpec], values: Sequence[Shape]) -> dict[str, Shape]:
    """Give positional shapes the metadata's names; surplus ones keep their number, so that they differ."""
    names = [tensor.name for tensor in tensors]
    return {names[i] if i < len(names) else str(i): tuple(value) for i, value in enumerate(values)}


def available_cores() -> int:
    """Cores that this process may run on: fewer than the machine's under taskset or in a container."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: int) -> None:
    """Refuse a thread count that cannot be had.

    Raises:
        UserError: fewer than one thread, or more than this process has cores.
    """
    cores = available_cores()
    if not 1 <= threads <= cores:
        raise UserError(
            f"{threads} threads asked for", fix=f"choose between 1 and {cores}, the available cores"
        )


def os_thread_count() -> Optional[int]:
    """Threads of this process as the operating system counts them; None where it does not tell."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else None


class _Silence:
    """Descriptor 2 turned to a sink while anyone asks for it: the descriptor is the whole process's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._askers = 0
        self._saved = -1
        self._sink: Optional[IO[bytes]] = None

    def begin(self) -> None:
        with self._lock:
            if self._askers == 0:
                sys.stderr.flush()
                self._sink = tempfile.TemporaryFile()  # noqa: SIM115 - open until the last asker leaves
                self._saved = os.dup(2)
                os.dup2(self._sink.fileno(), 2)
            self._askers += 1

    def end(self) -> None:
        with self._lock:
            self._askers -= 1
            if self._askers == 0 and self._sink is not None:
                os.dup2(self._saved, 2)
                os.close(self._saved)
                self._sink.close()


_silence = _Silence()


@contextmanager
def quiet_native() -> Iterator[None]:
    """Keep what engines write straight to file descriptor 2 while loading off the user's terminal.

    They print banners on success and a stack of lines about a broken file, where the user gets one line.
    Threads may overlap: the last one out gives the descriptor back.
    """
    _silence.begin()
    try:
        yield
    finally:
        _silence.end()
