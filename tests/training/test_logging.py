from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.training.logging import RunLog, read_log


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


def test_a_new_run_starts_a_new_log(tmp_path: Path) -> None:
    for loss in (1.0, 2.0):
        with RunLog(tmp_path) as log:
            log.write(10, {"loss": loss})
    assert [row["loss"] for row in read_log(tmp_path)] == [2.0]
