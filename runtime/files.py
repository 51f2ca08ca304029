"""Files that are either whole or absent, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Union

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.special_files import copy_to_stream, is_stream, open_stream
from mobilevis.runtime.workspaces import replace_folder, workspace_beside

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_path(target: Union[str, Path], *, directory: bool = False) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its place on success and is removed on failure.

    Args:
        target: the file, or the folder, to be written; an existing one is replaced, in one step. What a
            symbolic link names is replaced, not the link. A pipe or a device is written to; ``-`` is standard
            output.
        directory: make a folder instead of a file.

    Raises:
        UserError: the place cannot be written, it is a folder where a file is wanted or the other way round,
            or the disk is full.
    """
    target = Path(target)
    with disk_errors(target):
        if is_stream(target):
            if directory:
                raise UserError("this is no folder", target, "choose another output")
            with _stream_path(target) as temporary:
                yield temporary
            return
        final = prepare_place(target, directory=directory)
        with workspace_beside(final) as workspace:
            temporary = workspace / final.name
            if directory:
                temporary.mkdir()
            yield temporary
            if directory:
                replace_folder(temporary, final)
            else:
                _give_ordinary_mode(temporary)
                temporary.replace(final)


@contextmanager
def _stream_path(target: Path) -> Iterator[Path]:
    with open_stream(target) as stream, tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder, f"output{target.suffix}")
        yield temporary
        copy_to_stream(temporary, stream)


def prepare_place(target: Path, *, directory: bool = False) -> Path:
    """The name that links from ``target`` lead to, in a folder that exists.

    Raises:
        UserError: a folder has this name where a file is wanted, or the other way round.
        OSError: the folder cannot be made.
    """
    if target.name in ("", ".."):
        raise UserError("this is no name for an output", str(target), "choose another output")
    if target.is_dir() and not directory:
        raise UserError("cannot write: this is a folder", target, "give the name of a file")
    if directory and target.exists() and not target.is_dir():
        raise UserError("cannot write: this is no folder", target, "choose another output")
    final = Path(os.path.realpath(target))
    final.parent.mkdir(parents=True, exist_ok=True)
    return final


def _give_ordinary_mode(temporary: Path) -> None:
    """Some libraries, safetensors among them, write files that only their owner may read."""
    ordinary = temporary.with_name("mode")
    if ordinary == temporary:
        ordinary = temporary.with_name("mode-")
    ordinary.touch()
    temporary.chmod(stat.S_IMODE(ordinary.stat().st_mode) | stat.S_IMODE(temporary.stat().st_mode))


@contextmanager
def disk_errors(target: Union[str, Path]) -> Iterator[None]:
    """Turn the system's errors about writing ``target`` into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UserError(
                "the disk is full", target, "free some space, or choose another output"
            ) from error
        if error.errno is None:  # a library's own, such as of an image that it cannot identify
            raise
        raise UserError(
            f"cannot write: {os.strerror(error.errno)}", target, "choose another output"
        ) from error
    except ValueError as error:
        # What the operating system never sees: a name with a null byte, or one that is no valid text.
        if "null byte" not in str(error) and not isinstance(error, UnicodeEncodeError):
            raise
        raise UserError("cannot write: this is no name of a file", target, "choose another output") from error


def file_exists(path: Path) -> bool:
    """Whether something is there; a name that cannot be a file's is none, where ``Path.exists`` raises."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether a regular file is there; a name that no file can have names none, as in ``file_exists``."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder is there; see ``is_file``."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def require_text(name: Union[str, Path], what: str) -> None:
    """Refuse a name of a file that is no text: engines cannot open it, and no JSON can hold it.

    Raises:
        UserError: it is not UTF-8.
    """
    try:
        str(name).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"the name of {what} is no UTF-8", name, "rename it") from error


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
