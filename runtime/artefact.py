"""Load an artefact on an engine: the format comes from the path, the engine from the format."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import Optional, Union

from mobilevis.runtime.digests import check_digests
from mobilevis.runtime.engines.base import Artefact, check_threads
from mobilevis.runtime.errors import UserError, unknown_name
from mobilevis.runtime.files import file_exists, require_text
from mobilevis.runtime.formats import ENGINES, FORMATS, default_engine, describe_formats


def artefact_format(path: Union[str, Path]) -> str:
    """The format of an artefact, a name in ``FORMATS``, from its path alone.

    Raises:
        UserError: nothing is there, the file is empty, or it is of no known format.
    """
    path = Path(path)
    require_text(path, "the artefact")
    if not file_exists(path):
        raise UserError("there is no such artefact", path, "check the path, or export a model first")
    if path.is_dir():
        folders = {name: form.suffix for name, form in FORMATS.items() if form.is_folder}
        for name, suffix in folders.items():
            if any(path.glob(f"*{suffix}")):
                return name
        raise UserError(f"the folder holds no {', '.join(folders.values())} file", path, "give an artefact")
    if path.stat().st_size == 0:
        raise UserError("the artefact is empty", path, "export the model again, or copy it again")
    for name, form in FORMATS.items():
        if path.suffix.lower() == form.suffix:
            return name
    raise UserError(
        f"{path.suffix or 'no suffix'} is not the format of an artefact", path, f"give {describe_formats()}"
    )


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
        raise unknown_name("engine", engine, ENGINES)
    check_threads(threads)
    form = artefact_format(path)
    if engine is None:
        engine = default_engine(form)
    info = ENGINES[engine]
    if info.format != form:
        raise UserError(
            f"{engine} reads {FORMATS[info.format].description}", path, "give another engine or artefact"
        )
    with _loading:
        artefact: Artefact = import_module(info.module).load(Path(path), threads)
    if verify:
        check_digests(artefact.path, artefact.metadata, artefact.metadata_text)
    return artefact
