"""This machine."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Optional

from mobilevis.benchmarks.latency.transports.base import INSTALL_PYTHON, Access, Finished, OnLine, execute
from mobilevis.benchmarks.latency.worker.environment import read_local_files
from mobilevis.runtime.files import disk_errors


class LocalTransport:
    """Runs on this machine, in the same steps as on any other device."""

    python_advice = INSTALL_PYTHON

    def __init__(self, python: str = sys.executable, scratch: Optional[str] = None) -> None:
        self.address = "local"
        self.python = python
        self.scratch = scratch or tempfile.gettempdir()

    def push(self, local: Path, remote: str) -> None:
        """Copy a file or a folder."""
        with disk_errors(remote):
            if local.is_dir():
                shutil.copytree(local, remote)
            else:
                shutil.copyfile(local, remote)

    def pull(self, remote: str, local: Path) -> None:
        """Copy one file back."""
        with disk_errors(local):
            shutil.copyfile(remote, local)

    def run(self, command: Sequence[str], on_line: Optional[OnLine] = None) -> Finished:
        """Run a program."""
        return execute(command, on_line)

    def read(self, globs: Iterable[str]) -> dict[str, str]:
        """Read files."""
        return read_local_files(globs)


def open_local(target: str, access: Access) -> LocalTransport:
    """This machine, whose address has no target."""
    return LocalTransport(**access.overrides())


def list_local(access: Access) -> list[tuple[str, str]]:
    """(address, state) of this machine."""
    return [("local", "ready")]
