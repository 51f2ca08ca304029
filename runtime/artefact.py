"""Load an artefact on an engine: the format comes from the path, the engine from the format."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Optional, Union

from mobilevis.runtime.digests import check_digests
from mobilevis.runtime.engines.base import Artefact, check_threads
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import file_exists

__all__ = ["ENGINES", "FORMAT_NAMES", "Artefact", "EngineInfo", "artefact_format", "load_artefact"]


@dataclass(frozen=True)
class EngineInfo:
    """Where an engine lives and what it reads.

    Attributes:
        module: module with ``load(path, threads) -> Artefact``.
        format: the format that it reads.
    """

    module: str
    format: str


ENGINES = {
    "onnxruntime": EngineInfo("mobilevis.runtime.engines.onnxruntime", "onnx"),
    "executorch": EngineInfo("mobilevis.runtime.engines.executorch", "pte"),
    "litert": EngineInfo("mobilevis.runtime.engines.litert", "tflite"),
}
FORMAT_NAMES = {"onnx": "a folder of .onnx files", "pte": "a .pte file", "tflite": "a .tflite file"}


def artefact_format(path: Union[str, Path]) -> str:
    """The format of an artefact, ``onnx``, ``pte`` or ``tflite``, from its path alone.

    Raises:
        UserError: nothing is there, the file is empty, or it is none of the three.
    """
    path = Path(path)
    if not file_exists(path):
        raise UserError("there is no such artefact", path, "check the path, or export a model first")
    if path.is_dir():
        if any(path.glob("*.onnx")):
            return "onnx"
        raise UserError("the folder holds no .onnx file", path, "give the folder of an ONNX export")
    if path.stat().st_size == 0:
        raise UserError("the artefact is empty", path, "export the model again, or copy it again")
    suffix = path.suffix[1:].lower()
    if suffix not in FORMAT_NAMES:
        known = ", ".join(FORMAT_NAMES.values())
        raise UserError(
            f"{path.suffix or 'no suffix'} is not the format of an artefact", path, f"give {known}"
        )
    return suffix


# Engines count their threads and set process-wide pools while they load.
_loading = threading.Lock()


def load_artefact(
    path: Union[str, Path], engine: Optional[str] = None, threads: int = 1, *, verify: bool = True
) -> Artefact:
    """Load an artefact.

    Args:
        path: a .pte or .tflite file, the folder of an ONNX export, or one of the files in that folder.
        engine: a name in ``ENGINES``; None takes the engine of the artefact's format.
        threads: threads that compute an entry. ExecuTorch has one pool for the whole process: a second .pte
            must be loaded with the first one's count.
        verify: compare the files' SHA-256 with the digests in the metadata.

    Raises:
        UserError: the artefact cannot be loaded; the message says why and what to do.
    """
    if engine is not None and engine not in ENGINES:
        raise UserError(f"unknown engine {engine}", fix=f"choose one of {', '.join(sorted(ENGINES))}")
    check_threads(threads)
    form = artefact_format(path)
    if engine is None:
        engine = next(name for name, info in ENGINES.items() if info.format == form)
    info = ENGINES[engine]
    if info.format != form:
        raise UserError(
            f"{engine} reads {FORMAT_NAMES[info.format]}", path, "give another engine or artefact"
        )
    with _loading:
        artefact: Artefact = import_module(info.module).load(Path(path), threads)
    if verify:
        check_digests(artefact.path, artefact.metadata, artefact.metadata_text)
    return artefact
