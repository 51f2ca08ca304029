"""A long video in a process of its own, on a real engine."""

from __future__ import annotations

import os
from itertools import islice

import numpy as np
import pytest

from mobilevis.benchmarks.latency.bench import Plan
from mobilevis.benchmarks.latency.transports.local import LocalTransport
from mobilevis.benchmarks.latency.worker import soak_pass
from mobilevis.benchmarks.latency.worker.endless_clip import EndlessClip
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS
from mobilevis.benchmarks.soak.run import run_soak
from mobilevis.runtime.errors import UserError

CPU = str(min(os.sched_getaffinity(0)))


def plan(*artefacts, **fields) -> Plan:
    return Plan(artefacts, PROTOCOLS["quick"], **{"cpus": CPU, **fields})


def test_every_artefact_streams_in_a_process_of_its_own(artefact, clip, tmp_path):
    pids = []
    record, error = run_soak(
        LocalTransport(scratch=str(tmp_path)),
        plan(artefact, artefact, source=clip),
        1000,
        lambda event: pids.append(event["pid"]) if event["event"] == "start" else None,
    )
    assert error is None
    assert len(set(pids)) == 2
    for result in record.artefacts:
        assert result.facts["engine"] == "onnxruntime"
        assert result.holdings.frames[-1] == 1000
        assert len(result.holdings.frames) == soak_pass.READINGS
        assert max(result.holdings.descriptors) == result.holdings.descriptors[-1]
    assert record.device["versions"]["numpy"]
    assert list(tmp_path.iterdir()) == []


def test_a_clip_goes_forth_and_back_without_a_jump(clip):
    frames = list(islice(EndlessClip(str(clip), 30), 30))
    assert len(frames) == 30
    places = [int(np.flatnonzero(frame[40, :, 0])[0]) for frame in frames]
    assert max(abs(b - a) for a, b in zip(places, places[1:])) == 8
    assert len(set(places)) == 7


def test_what_a_leak_of_a_descriptor_would_show_is_read(tmp_path):
    before = soak_pass.read_holdings()
    with (tmp_path / "file").open("w"):
        after = soak_pass.read_holdings()
    assert after["descriptors"] == before["descriptors"] + 1
    assert soak_pass.read_holdings()["descriptors"] == before["descriptors"]
    assert before["resident_mib"] > 1
    assert before["threads"] >= 1


def test_a_board_without_opencv_is_one_line(artefact, clip, bare_python):
    board = bare_python.link("numpy", "onnxruntime")
    record, error = run_soak(LocalTransport(str(board.executable)), plan(artefact, source=clip), 1000)
    assert "no frames can be streamed: opencv-python-headless" in str(error)
    assert not record.flat


def test_a_journal_of_no_sense_is_one_line(artefact, clip, monkeypatch):
    monkeypatch.setattr("mobilevis.benchmarks.soak.run.COLUMNS", ("frames", "resident_mib", "descriptors"))
    with pytest.raises(UserError, match="the worker's journal is broken"):
        run_soak(LocalTransport(), plan(artefact, source=clip), 1000)
