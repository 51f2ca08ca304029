"""Files that are either whole or absent, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Union

from mobilevis.runtime.errors import UserError


@contextmanager
def atomic_path(target: Union[str, Path], *, directory: bool = False) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its place on success and is removed on failure.

    Args:
        target: the file, or the folder, to be written; an existing one is replaced.
        directory: make a folder instead of a file.

    Raises:
        UserError: the place cannot be written, or the disk is full.
    """
    target = Path(target)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    temporary = workspace / target.name
    try:
        with disk_errors(target):
            if directory:
                temporary.mkdir()
            yield temporary
            if directory and target.is_dir():
                # A folder cannot be replaced by a rename while it holds files.
                target.rename(workspace / "replaced")
            if not directory:
                # Some libraries, safetensors among them, write files that only their owner may read.
                ordinary = workspace / f"{target.name}-mode"
                ordinary.touch()
                modes = stat.S_IMODE(ordinary.stat().st_mode) | stat.S_IMODE(temporary.stat().st_mode)
                temporary.chmod(modes)
            temporary.replace(target)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


@contextmanager
def disk_errors(target: Union[str, Path]) -> Iterator[None]:
    """Turn the system's errors about writing ``target`` into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                "the disk is full", target, "free some space, or choose another output"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
            raise UserError(
                f"cannot write: {os.strerror(error.errno)}", target, "choose another output"
            ) from error
        raise


def sha256_of(path: Union[str, Path]) -> str:
    """SHA-256 of a file, or of a folder: over its files' relative names and hashes, sorted by name."""
    path = Path(path)
    digest = hashlib.sha256()
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
    else:
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    return digest.hexdigest()
