"""The worker on aarch64 builds of Python and the engines, under user-mode QEMU. No time here is a latency."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Callable, TypeVar

import pytest
from typer.testing import CliRunner

from mobilevis.benchmarks.latency.bench import Plan, run_plan
from mobilevis.benchmarks.latency.devices import describe_device
from mobilevis.benchmarks.latency.transports.local import LocalTransport
from mobilevis.benchmarks.latency.worker.protocol import Protocol
from mobilevis.cli.main import app
from mobilevis.runtime.errors import UserError
from tests.arm import instructions as arm_instructions
from tests.arm import userland as arm_userland
from tests.arm.instructions import ENOUGH, build_counter, count_entries, parse_total
from tests.arm.userland import build_userland

T = TypeVar("T")
COUNTED = Path(__file__).parents[3] / "docs" / "results" / "instructions"
RECORD = COUNTED / "mobileinst-topformer-tiny_192x384_fp32_onnx_cortex-a76.json"
CPU = str(min(os.sched_getaffinity(0)))
ONCE = Protocol(
    "once", min_runs=1, min_seconds=0, max_seconds=900, warmup_seconds=0, max_warmup_seconds=0, window=1
)


def made_or_skipped(what: str, obstacle: str, build: Callable[[], T]) -> T:
    if obstacle:
        pytest.skip(obstacle)
    try:
        return build()
    except UserError as error:
        pytest.skip(f"{what}: {error}")


@pytest.fixture(scope="session")
def userland(pytestconfig: pytest.Config) -> arm_userland.Userland:
    """Kept between test runs: 200 MB come from Debian's mirror and the package index."""
    folder = pytestconfig.cache.mkdir("arm_userland") / "userland"
    reason = arm_userland.obstacle()
    return made_or_skipped("the ARM userland cannot be had", reason, lambda: build_userland(folder))


@pytest.fixture(scope="session")
def counter(pytestconfig: pytest.Config) -> arm_instructions.Counter:
    folder = pytestconfig.cache.mkdir("arm_userland") / "counter"
    reason = arm_instructions.obstacle()
    return made_or_skipped("the instruction counter cannot be built", reason, lambda: build_counter(folder))


@pytest.mark.arm
def test_arm_builds_of_two_engines_pass_the_parity_vectors(userland, artefacts):
    paths = (artefacts["onnxruntime"], artefacts["litert"])
    report, error = run_plan(LocalTransport(str(userland.python)), Plan(paths, ONCE, cpus=CPU))
    assert error is None
    assert report.device["machine"] == "aarch64"
    assert [result.facts["engine"] for result in report.artefacts] == ["onnxruntime", "litert"]
    for result in report.artefacts:
        assert result.parity
        assert all(row["max_abs"] <= row["tolerance"] for row in result.parity)
        assert len(result.workloads["entries"].at_s) == 1


@pytest.mark.arm
def test_what_is_emulated_says_so_and_is_never_valid(userland, artefact):
    report, error = run_plan(LocalTransport(str(userland.python)), Plan((artefact,), ONCE, cpus=CPU))
    assert error is None
    assert report.device["emulator"] == "qemu-aarch64"
    assert "emulated by qemu-aarch64: its times are no latencies" in report.artefacts[0].reasons


@pytest.mark.arm
def test_an_arm_device_shows_its_engines_and_the_missing_one(userland):
    facts = describe_device(LocalTransport(str(userland.python)))
    assert facts.python.machine == "aarch64"
    assert facts.python.engines["onnxruntime"]
    assert facts.python.engines["executorch"] is None
    assert facts.python.pip_line("executorch").endswith("-m pip install executorch")


@pytest.mark.arm
def test_an_entry_takes_no_more_instructions_than_are_recorded(userland, counter, tmp_path):
    record = json.loads(RECORD.read_text())
    version = userland.version("onnxruntime")
    if version != record["engine"]["version"]:
        pytest.skip(f"{RECORD.name} is of onnxruntime {record['engine']['version']}, not of {version}")
    size = ["--input-size", "192x384", "--format", "onnx", "-o", str(tmp_path)]
    assert CliRunner().invoke(app, ["export", "mobileinst-topformer-tiny-synth", *size]).exit_code == 0
    artefact = tmp_path / record["artefact"]["file"]
    recorded = record["instructions"]["decode"]
    enough = math.ceil(1.1 * ENOUGH / recorded)  # no emulated process has to find out
    counted = count_entries(userland, counter, artefact, ["decode"], record["cpu"], [enough])
    assert counted["decode"] <= 1.02 * recorded


def test_the_plugins_total_is_read():
    assert parse_total("cpu 0 insns: 12\ntotal insns: 34\n") == 34
    with pytest.raises(UserError, match="printed no total"):
        parse_total("")


def test_a_machine_that_cannot_emulate_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(UserError, match="no ARM userland here: the emulator is for x86-64"):
        build_userland(tmp_path)
