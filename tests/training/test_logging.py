from __future__ import annotations

import os
from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.training.logging import LOG_FILE, VALIDATION_FILE, RunLog, read_log


def test_rows_beyond_the_resumed_iteration_are_dropped(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        for iteration in (10, 20, 30):
            log.write(iteration, {"loss": iteration / 7})
    with RunLog(tmp_path, iteration=20) as log:
        log.write(30, {"loss": 0.5})
    rows = read_log(tmp_path)
    assert [row["iteration"] for row in rows] == [10, 20, 30]
    assert rows[1]["loss"] == pytest.approx(20 / 7)
    assert rows[2]["loss"] == 0.5


def test_a_new_run_leaves_the_log_of_an_earlier_one(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write(10, {"loss": 1.0})
    with pytest.raises(UserError, match=r"--resume, or choose another folder: --set run\.output"):
        RunLog(tmp_path)
    assert [row["loss"] for row in read_log(tmp_path)] == [1.0]


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with RunLog(tmp_path), pytest.raises(UserError, match="another run trains here"):
        RunLog(tmp_path)
    RunLog(tmp_path).__exit__(None, None, None)  # the first one has ended


@pytest.mark.parametrize("end", ["3,0.1,", "3,0.00", "3", "\0" * 12, "3,0.1,2.2e-", "3,0.1,2.2", "3,0.1,x\n"])
def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path, end: str) -> None:
    (tmp_path / LOG_FILE).write_text("iteration,rate,loss\n1,0.1,2.5\n2,0.1,2.25\n" + end)
    assert [row["iteration"] for row in read_log(tmp_path)] == [1, 2]
    with RunLog(tmp_path, iteration=2) as log:
        log.write(3, {"rate": 0.1, "loss": 2.0})
    assert [row["loss"] for row in read_log(tmp_path)] == [2.5, 2.25, 2.0]


def test_a_log_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LOG_FILE)
    with pytest.raises(UserError, match="no regular file"):
        read_log(tmp_path)


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        RunLog(tmp_path / "file")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    (tmp_path / LOG_FILE).unlink()
    (tmp_path / LOG_FILE).symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full"):
        log.write(1, {"loss": 1.0})


def test_validations_beyond_the_resumed_iteration_are_dropped(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write(10, {"loss": 1.0})
        for iteration in (10, 20):
            log.write(iteration, {"AP": iteration / 100}, VALIDATION_FILE)
    RunLog(tmp_path, iteration=15).__exit__(None, None, None)
    assert read_log(tmp_path, VALIDATION_FILE) == [{"iteration": 10, "AP": 0.1}]
    assert read_log(tmp_path) == [{"iteration": 10, "loss": 1.0}]


def test_a_run_without_validation_has_no_file_of_it(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write(10, {"loss": 1.0})
    assert not (tmp_path / VALIDATION_FILE).exists()
