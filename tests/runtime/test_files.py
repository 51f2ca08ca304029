"""Outputs appear whole, with the modes of ordinary files, or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mobilevis.runtime import workspaces
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path
from mobilevis.runtime.growing_files import GrowingFile


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


def test_a_folder_is_replaced_in_one_step(tmp_path):
    target = tmp_path / "model_onnx"
    for word in ("old", "new"):
        with atomic_path(target, directory=True) as temporary:
            (temporary / word).touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["model_onnx", "new"]


def test_where_names_cannot_be_exchanged_a_folder_is_replaced_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(workspaces, "_renameat2", lambda: None)
    test_a_folder_is_replaced_in_one_step(tmp_path)


def test_a_folder_that_another_export_put_there_meanwhile_loses_neither_nor_the_old_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(workspaces, "_renameat2", lambda: None)
    target = tmp_path / "model_onnx"
    target.mkdir()
    (target / "old").touch()
    rename = Path.rename

    def rename_and_be_overtaken(self, new):
        renamed = rename(self, new)
        if self == target:
            target.mkdir()
            (target / "other").touch()
        return renamed

    monkeypatch.setattr(Path, "rename", rename_and_be_overtaken)
    with pytest.raises(UserError, match="cannot write"), atomic_path(target, directory=True) as temporary:
        (temporary / "new").touch()
    assert (target / "other").exists()
    assert [folder.name for folder in tmp_path.iterdir() if (folder / "old").exists()]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with atomic_path(tmp_path / "pipe") as temporary:
        temporary.write_text("figures")
    assert os.read(reader, 100) == b"figures"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_what_a_link_names_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "link").symlink_to("real")
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


KILLED = """
import os, sys
from mobilevis.runtime import workspaces
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path
from mobilevis.runtime.growing_files import GrowingFile
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_the_leftovers_of_a_killed_process_are_removed_by_the_next_one(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_path(tmp_path / "other") as temporary, atomic_path(tmp_path / "third") as third:
        temporary.touch()
        third.touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "third"]


@pytest.mark.parametrize("name", ["", "..", "a" * 300, "a/" * 3000, "a\0b", "\ud800"])
def test_what_is_no_name_is_one_line(tmp_path, name):
    with pytest.raises(UserError), atomic_path(f"{tmp_path}/{name}" if name else "") as temporary:
        temporary.touch()


def test_lines_can_be_read_while_they_grow_and_the_old_file_comes_back(tmp_path):
    target = tmp_path / "lines"
    target.write_text("old")
    growing = GrowingFile(target)
    assert target.read_text() == "old"
    growing.append("one\n")
    assert target.read_text() == "one\n"
    growing.discard()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_two_exports_at_once_into_one_folder_leave_one_of_them_whole(tmp_path):
    def export(text: str) -> None:
        with atomic_path(tmp_path / "x_onnx", directory=True) as folder:
            for name in ("a", "b"):
                (folder / name).write_text(text)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(export, map(str, range(20))))
    assert (tmp_path / "x_onnx/a").read_text() == (tmp_path / "x_onnx/b").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["x_onnx"]
