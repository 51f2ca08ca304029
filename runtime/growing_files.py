"""A text file that others can read while it grows."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Optional, TextIO

from mobilevis.runtime.files import disk_errors, prepare_place
from mobilevis.runtime.special_files import is_stream, open_stream
from mobilevis.runtime.workspaces import workspace_beside


class GrowingFile:
    """Text under its own name from the first line on; a file that had the name waits until the end.

    Args:
        target: a file, a pipe or a device, or ``-`` for standard output.

    Raises:
        UserError: the place cannot be written.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self._stack = ExitStack()
        self._workspace: Optional[Path] = None
        self._named = False
        with disk_errors(target):
            if is_stream(target):
                raw = self._stack.enter_context(open_stream(target))
                self._stream: TextIO = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
                self._stack.callback(self._stream.detach)
                return
            self._final = prepare_place(target)
            self._workspace = self._stack.enter_context(workspace_beside(self._final))
            self._new, self._old = (self._workspace / f"{name}.lines" for name in ("new", "old"))
            self._stream = self._new.open("w", encoding="utf-8")

    def append(self, line: str) -> None:
        """Add a line; it can be read at once."""
        with disk_errors(self.target):
            self._stream.write(line)
            self._stream.flush()
            self._take_name()

    def close(self) -> None:
        """Complete the file."""
        with self._stack, disk_errors(self.target):
            if self._workspace is not None:
                self._stream.close()
                self._take_name()

    def discard(self) -> None:
        """Remove what was appended to a file; the one that it replaced comes back."""
        with self._stack, suppress(OSError):
            if self._workspace is None:
                return
            with suppress(OSError):  # on a full disk
                self._stream.close()
            if self._old.exists():
                self._old.replace(self._final)
            elif self._named:
                self._final.unlink()

    def _take_name(self) -> None:
        if self._named or self._workspace is None:
            return
        if self._final.exists():
            try:
                os.link(self._final, self._old)
            except OSError:  # a file system without hard links
                self._final.replace(self._old)
        self._new.replace(self._final)
        self._named = True
