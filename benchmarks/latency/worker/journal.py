"""The worker's journal: one JSON object a line, into a file and down the pipe to the host.

The file is the result. The pipe carries the same lines as they are written, so that the samples survive a
device that is lost in the middle; it is the worker's own descriptor, which no engine's log can reach.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from mobilevis.runtime.errors import UserError


class HostLostError(Exception):
    """Nobody reads the pipe any more."""


class Journal:
    """Appends events to a file and to a pipe."""

    def __init__(self, path: Path, pipe: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._pipe = pipe
        self._is_full = False

    def write(self, event: str, **facts: Any) -> None:
        """Append one event.

        Raises:
            HostLostError: the host's end of the pipe is closed.
            UserError: the file cannot be written, told once: what follows goes down the pipe alone.
        """
        line = (json.dumps({"event": event, **facts}, allow_nan=False) + "\n").encode()
        try:
            _write_all(self._pipe, line)
        except OSError as error:
            raise HostLostError from error
        if self._is_full:
            return
        try:
            _write_all(self._file.fileno(), line)
        except OSError as error:
            self._is_full = True
            what = f"the journal cannot be written: {error.strerror}"
            raise UserError(what, fix="free some space on the device, then run again") from error


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def take_stdout() -> int:
    """Keep standard output for the journal alone: what libraries print goes to standard error.

    Returns:
        The descriptor of the pipe to the host.
    """
    sys.stdout.flush()
    pipe = os.dup(1)
    os.dup2(2, 1)
    return pipe
