"""Outputs that are no regular files: pipes, devices and standard output are written to, never replaced."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mobilevis.runtime.errors import UserError

STANDARD_OUTPUT = "-"
MAX_LINKS = 40  # Linux's own bound
READER_WAIT_S = 5.0  # a shell starts both ends of a pipe at once


def is_stream(target: Path) -> bool:
    """Whether an output is a pipe, a device or an open descriptor of a process, not a name in a folder."""
    return str(target) == STANDARD_OUTPUT or _in_proc(target) or _is_special(target)


def writes_to_stdout(target: Path) -> bool:
    """Whether an output goes where this process prints: its tables then belong on standard error."""
    if str(target) == STANDARD_OUTPUT:
        return True
    try:
        return is_stream(target) and os.path.samestat(target.stat(), os.fstat(1))
    except (OSError, ValueError):
        return False


def _is_special(target: Path) -> bool:
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _in_proc(target: Path) -> bool:
    """Whether links lead to such as /proc/self/fd/1, which may be a regular file but cannot be replaced."""
    for _ in range(MAX_LINKS):
        if target.parent.name == "fd" and target.parts[:2] == ("/", "proc"):
            return True
        if not target.is_symlink():
            return False
        target = target.parent / target.readlink()
    return False


@contextmanager
def open_stream(target: Path) -> Iterator[BinaryIO]:
    """Open a pipe, a device or standard output for writing.

    Raises:
        UserError: nobody reads the pipe.
        OSError: the system refuses.
    """
    if writes_to_stdout(target):  # opened anew, a regular file behind it would be written from its start
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with os.fdopen(_open_for_writing(target), "wb") as stream:
        yield stream


def _open_for_writing(target: Path) -> int:
    deadline = time.monotonic() + READER_WAIT_S
    while True:
        try:
            # Without O_NONBLOCK the open waits for a reader for ever.
            descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > deadline:
                raise UserError("nobody reads this pipe", target, "start its reader first") from error
            time.sleep(0.05)
        else:
            os.set_blocking(descriptor, True)
            return descriptor


def copy_to_stream(file: Path, stream: BinaryIO) -> None:
    """Write a finished file's bytes."""
    with file.open("rb") as finished:
        shutil.copyfileobj(finished, stream, 1 << 20)
    stream.flush()
