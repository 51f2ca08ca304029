"""Outputs appear whole, with the modes of ordinary files, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mobilevis.runtime.files import atomic_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_only_its_writer_could_read_becomes_an_ordinary_one(tmp_path):
    (tmp_path / "ordinary").touch()
    with atomic_path(tmp_path / "out") as temporary:
        temporary.touch(0o600)
    assert mode(tmp_path / "out") == mode(tmp_path / "ordinary")


def test_a_script_stays_executable(tmp_path):
    with atomic_path(tmp_path / "script") as temporary:
        temporary.write_text("#!/bin/sh\n")
        temporary.chmod(0o755)
    assert os.access(tmp_path / "script", os.X_OK)


def break_off(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("new, and bro")
        raise RuntimeError


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "out"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        break_off(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
