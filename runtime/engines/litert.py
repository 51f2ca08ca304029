"""LiteRT: one interpreter with a signature for each entry."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.engines.base import Artefact, check_signature, os_thread_count, quiet_native
from mobilevis.runtime.engines.tflite_metadata import FILE_IDENTIFIER, read_metadata
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import missing_engine
from mobilevis.runtime.metadata import MAX_METADATA_BYTES, METADATA_KEY, parse_metadata

AGAIN = "export the model again, or copy it again"


class LiteRTArtefact(Artefact):
    """The signatures of a .tflite file, with the XNNPACK delegate that LiteRT applies by default."""

    engine = "litert"

    def __init__(self, path: Path, interpreter: Any, threads: Optional[int]) -> None:
        self.path = path
        self._threads = threads
        self.metadata_text = _metadata_text(path)
        self.metadata = parse_metadata(self.metadata_text, str(path))
        missing = set(self.metadata.entries) - set(interpreter.get_signature_list())
        if missing:
            raise UserError(f"the file has no signature {', '.join(sorted(missing))}", path, AGAIN)
        self._runners = {name: interpreter.get_signature_runner(name) for name in self.metadata.entries}
        for name, spec in self.metadata.entries.items():
            runner = self._runners[name]
            inputs, outputs = _shapes(runner.get_input_details()), _shapes(runner.get_output_details())
            check_signature(path, name, spec, inputs, outputs)

    @property
    def threads(self) -> Optional[int]:
        """Threads that compute an entry, counted while the interpreter was made."""
        return self._threads

    def _run(self, entry: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(self._runners[entry](**inputs))


def load(path: Path, threads: int) -> LiteRTArtefact:
    """Load a .tflite file.

    Raises:
        UserError: LiteRT is not installed, or the file is not a whole model of ours.
    """
    interpreter, counted = open_interpreter(path, threads)
    with quiet_native():
        try:
            return LiteRTArtefact(path, interpreter, counted)
        except (ValueError, RuntimeError) as error:
            raise _unreadable(path) from error


def open_interpreter(path: Path, threads: int) -> tuple[Any, Optional[int]]:
    """An interpreter of any .tflite file, ours or a plain model, its tensors allocated.

    Returns:
        The interpreter, and the threads that compute an inference; None where they cannot be counted.

    Raises:
        UserError: LiteRT is not installed, or cannot read the file.
    """
    interpreter_class = _interpreter_class()
    with path.open("rb") as stream:
        if stream.read(8)[4:] != FILE_IDENTIFIER:
            raise UserError("the file is not a TFLite model", path, AGAIN)
    with quiet_native():
        try:
            # XNNPACK makes a pool of one thread less than asked for until tensors are allocated, and the
            # interpreter has no getter: count what the operating system sees appear.
            before = os_thread_count()
            interpreter = interpreter_class(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
            after = os_thread_count()
        except (ValueError, RuntimeError) as error:
            raise _unreadable(path) from error
    return interpreter, None if before is None or after is None else after - before + 1


def _unreadable(path: Path) -> UserError:
    return UserError("LiteRT cannot read the file; it is truncated, or made by a newer version", path, AGAIN)


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise missing_engine("litert") from error
    return Interpreter


def _shapes(details: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(int(n) for n in detail["shape"]) for name, detail in details.items()}


def _metadata_text(path: Path) -> str:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        data = memoryview(content)
        try:
            text = read_metadata(data, METADATA_KEY, MAX_METADATA_BYTES)
        finally:
            data.release()
    if text is None:
        raise UserError("the model carries no mobilevis metadata", path, "export it with `mobilevis export`")
    return text.decode()
