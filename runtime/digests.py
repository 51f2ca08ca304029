"""SHA-256 of an artefact's files, carried in its own metadata and checked on load.

A digest covers a file's bytes before and after its metadata text, which holds the digest itself. Nothing is
parsed for it, so all formats have one rule; the text must keep its length when the digest is filled in.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Union

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import Metadata

WHOLE = "file"  # the key where one file holds every entry
UNKNOWN = "0" * 64  # holds a digest's place until the file is written
BLOCK_BYTES = 1 << 20


def digest_files(path: Path, entries: Iterable[str]) -> dict[str, Path]:
    """Key in ``Metadata.digests`` → file: a folder has a file for each entry."""
    return {name: path / f"{name}.onnx" for name in entries} if path.is_dir() else {WHOLE: path}


def digest_around(file: Path, text: str) -> str:
    """SHA-256 of a file without the first occurrence of its metadata text.

    Raises:
        UserError: the file does not hold the text.
    """
    digest = hashlib.sha256()
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(text.encode())
        if start < 0:
            raise UserError("the metadata do not lie in the file as one text", file, "export the model again")
        end = start + len(text.encode())
        for first, last in ((0, start), (end, len(content))):
            for at in range(first, last, BLOCK_BYTES):
                digest.update(content[at : min(at + BLOCK_BYTES, last)])
    return digest.hexdigest()


def check_digests(path: Union[str, Path], metadata: Metadata, text: str) -> None:
    """Refuse an artefact whose bytes are not those that were exported.

    Args:
        path: the file, or the ONNX folder.
        metadata: as parsed; one without digests, of an older export, passes.
        text: the metadata as the file holds them.

    Raises:
        UserError: a file's digest is missing or another.
    """
    if not metadata.digests:
        return
    for name, file in digest_files(Path(path), metadata.entries).items():
        if digest_around(file, text) != metadata.digests.get(name):
            raise UserError(
                "the file is damaged: its SHA-256 is not the one in its metadata",
                file,
                "copy it again, or export the model again",
            )
