"""The command as a user runs it: in its own process."""

from __future__ import annotations

import subprocess
import sys
from typing import Callable

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mobilevis(tmp_path) -> Command:
    """Run ``mobilevis`` with the given arguments in an empty folder."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mobilevis.cli.main", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture
def refused(mobilevis) -> Callable[..., str]:
    """Run the command, expect it to refuse in one line with exit code 2, and return that line."""

    def run(*arguments: object) -> str:
        done = mobilevis(*arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("mobilevis: ")
        return lines[0]

    return run
