"""The worker's journal, of which the host gets every event, whatever becomes of the file."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency.worker.journal import HostLostError, Journal
from mobilevis.runtime.errors import UserError


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):  # closed by the test
            os.close(end)


def test_an_event_goes_into_the_file_and_down_the_pipe(tmp_path, pipe):
    Journal(tmp_path / "journal", pipe[1]).write("start", pid=7)
    line = (tmp_path / "journal").read_bytes()
    assert json.loads(line) == {"event": "start", "pid": 7}
    assert os.read(pipe[0], 1000) == line


def test_a_full_disk_is_told_once_and_the_host_gets_every_event(pipe):
    journal = Journal(Path("/dev/full"), pipe[1])
    with pytest.raises(UserError, match="the journal cannot be written: No space left on device"):
        journal.write("start")
    journal.write("error")
    assert [json.loads(line)["event"] for line in os.read(pipe[0], 1000).splitlines()] == ["start", "error"]


def test_a_host_that_is_gone_is_noticed(tmp_path, pipe):
    os.close(pipe[0])
    with pytest.raises(HostLostError):
        Journal(tmp_path / "journal", pipe[1]).write("end")
