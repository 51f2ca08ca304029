"""Each fault: one clear line, the samples so far kept and not valid, nothing left on the device."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency.bench import Plan, run_plan
from mobilevis.benchmarks.latency.transports.base import (
    Finished,
    describe_status,
    parse_files,
    reading_script,
)
from mobilevis.benchmarks.latency.transports.local import LocalTransport
from mobilevis.runtime.errors import UserError

from .conftest import LONG, SHORT

CPU = min(os.sched_getaffinity(0))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the device keeps what is pushed."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def plan(artefact: Path, protocol=LONG, **fields) -> Plan:
    return Plan((artefact,), protocol, **{"cpus": str(CPU), **fields})


def on_first_samples(act):
    """Act once, when the first samples arrive."""
    state = {"pid": None, "done": False}

    def on_event(event):
        if event["event"] == "start":
            state["pid"] = event["pid"]
        if event["event"] == "samples" and event["at_s"] and not state["done"]:
            state["done"] = True
            act(state["pid"])

    return on_event


def check_salvaged(report, scratch: Path) -> None:
    """Samples are kept, marked, and the device is clean."""
    assert not report.valid
    assert len(report.artefacts[0].workloads["entries"].at_s) > 0
    assert any("interrupted after" in reason for reason in report.artefacts[0].reasons)
    assert list(scratch.iterdir()) == []


def test_a_killed_worker(artefact, scratch):
    kill = on_first_samples(lambda pid: os.kill(pid, signal.SIGKILL))
    report, error = run_plan(LocalTransport(scratch=str(scratch)), plan(artefact), kill)
    assert "the worker was cut off: killed by SIGKILL" in str(error)
    check_salvaged(report, scratch)


def test_ctrl_c(artefact, scratch):
    def interrupt(pid):
        raise KeyboardInterrupt

    report, error = run_plan(
        LocalTransport(scratch=str(scratch)), plan(artefact), on_first_samples(interrupt)
    )
    assert "interrupted" in str(error)
    check_salvaged(report, scratch)


def test_a_good_run_leaves_nothing_behind(artefact, scratch):
    _, error = run_plan(LocalTransport(scratch=str(scratch)), plan(artefact, SHORT))
    assert error is None
    assert list(scratch.iterdir()) == []


class FullTransport(LocalTransport):
    """This machine, with a disk that df says is full."""

    def run(self, command, on_line=None):
        if command[0] == "df":
            return Finished(
                0, "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 64 60 4 94% /tmp\n", ""
            )
        return super().run(command, on_line)


def test_no_space_on_the_device(artefact, scratch):
    report, error = run_plan(FullTransport(scratch=str(scratch)), plan(artefact))
    assert "no space on the device" in str(error)
    assert "4 KiB free" in str(error)
    assert not report.valid
    assert list(scratch.iterdir()) == []


def test_a_device_without_python(artefact, scratch):
    transport = LocalTransport(python="/nonexistent/python3", scratch=str(scratch))
    _, error = run_plan(transport, plan(artefact))
    assert "cannot run /nonexistent/python3" in str(error)
    assert list(scratch.iterdir()) == []


def test_a_scratch_folder_that_cannot_be_written(artefact, tmp_path):
    _, error = run_plan(LocalTransport(scratch=str(tmp_path / "absent")), plan(artefact))
    assert "cannot make a folder on the device" in str(error)


def test_more_threads_than_cores_are_refused_before_anything_is_pushed(artefact, scratch):
    with pytest.raises(UserError, match="2 threads on 1 core"):
        run_plan(LocalTransport(scratch=str(scratch)), plan(artefact, threads=2))


def test_a_missing_artefact_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        Plan((tmp_path / "absent.pte",), SHORT)


def test_nothing_to_measure_is_refused():
    with pytest.raises(UserError, match="nothing to measure"):
        Plan((), SHORT)


@pytest.mark.parametrize(
    ("status", "words"),
    [(-9, "killed by SIGKILL"), (137, "killed by SIGKILL"), (143, "killed by SIGTERM"), (3, "exit status 3")],
)
def test_an_exit_status_is_put_into_words(status, words):
    assert describe_status(status) == words


def test_files_are_read_through_a_shell_in_one_go(tmp_path):
    (tmp_path / "a").write_text("one\ntwo\n")
    (tmp_path / "b").write_text("no newline")
    done = LocalTransport().run(["sh", "-c", reading_script([f"{tmp_path}/*", f"{tmp_path}/absent"])])
    assert parse_files(done.stdout) == {f"{tmp_path}/a": "one\ntwo", f"{tmp_path}/b": "no newline"}
