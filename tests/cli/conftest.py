"""The command as a user runs it: in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from mobilevis.cli.main import main

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
        return only_line(done.stderr)

    return run


@pytest.fixture
def mobilevis_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """As ``mobilevis``, in this process: to load PyTorch and the exporters takes a core 3 to 7 s."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mobilevis", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            sys.exit(main())
        printed = capfd.readouterr()
        return subprocess.CompletedProcess(sys.argv, int(end.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def refused_here(mobilevis_here: Command) -> Callable[..., str]:
    """As ``refused``, in this process."""

    def run(*arguments: object) -> str:
        done = mobilevis_here(*arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        return only_line(done.stderr)

    return run


def only_line(stderr: str) -> str:
    """The one line of an error."""
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("mobilevis: ")
    return lines[0]
