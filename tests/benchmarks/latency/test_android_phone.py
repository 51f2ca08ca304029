"""The Android worker on arm64: Android's own libraries of the engines, behind a real adbd, under QEMU.

Stood in for is Android's ``app_process`` alone, see ``tests.arm.phone``. No time here is a latency.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError
from tests.arm import phone as arm_phone
from tests.arm.userland import QEMU

from .adbd_board import ROOT, find_obstacle

pytestmark = pytest.mark.phone
NAMESPACES = ("-rmnpf", "--mount-proc")
TWENTY_ROUNDS = ("--protocol", "20-rounds", "--cpus", "0")  # see emulated.py
FOUR_ROUNDS = ("--protocol", "4-rounds", "--cpus", "0")


class Phone:
    """Runs ``mobilevis bench latency`` against a phone that is started for it and ended after it."""

    def __init__(self, folder: Path, root: Path, system: Path) -> None:
        self.folder = folder
        self.root = root
        self.system = system

    def bench(self, scenario: str, *arguments: object, kib: int = 0) -> dict[str, object]:
        data = self.folder / "data"
        data.mkdir()
        board = {
            "root": str(self.root),
            "qemu": str(self.root.parent / QEMU),
            "system": str(self.system),
            "data": str(data),
            "kib": kib,
            "scratch": str(self.folder),
            "scenario": scenario,
            "arguments": [str(argument) for argument in arguments],
        }
        script = ["-m", "tests.benchmarks.latency.adbd_phone", json.dumps(board)]
        command = ["unshare", *NAMESPACES, sys.executable, *script]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200)
        assert done.returncode == 0, done.stderr
        outcome = json.loads(done.stdout.splitlines()[-1])
        assert (outcome["left"], outcome["workers"]) == ([], 0), outcome["output"]
        return outcome


@pytest.fixture(scope="session")
def root(pytestconfig: pytest.Config) -> Path:
    """Kept between test runs: 60 MB come from Debian's mirror."""
    reason = find_obstacle(*NAMESPACES) or arm_phone.find_obstacle()
    if reason:
        pytest.skip(reason)
    try:
        return arm_phone.build_phone(pytestconfig.cache.mkdir("phone"))
    except UserError as error:
        pytest.skip(f"the phone's programs cannot be had: {error}")


@pytest.fixture(scope="session")
def system(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("system")
    arm_phone.write_system(folder)
    return folder


@pytest.fixture
def phone(root: Path, system: Path, tmp_path: Path) -> Phone:
    return Phone(tmp_path, root, system)


@pytest.mark.parametrize(("suffix", "engine"), [("tflite", "litert"), ("pte", "executorch")])
def test_android_s_engines_pass_the_parity_vectors(phone, toy_artefacts, suffix, engine, tmp_path):
    report = tmp_path / "report.json"
    outcome = phone.bench("good", toy_artefacts[suffix], *TWENTY_ROUNDS, "--json", report)
    assert outcome["status"] == 0, outcome["output"]
    result = json.loads(report.read_text())
    assert result["device"]["machine"] == "aarch64"
    assert result["device"]["versions"]["worker"] == "android"
    assert result["cpus_allowed"] == [0]
    (artefact,) = result["artefacts"]
    assert artefact["facts"]["engine"] == engine
    assert artefact["parity"]
    assert all(row["max_abs"] <= row["tolerance"] for row in artefact["parity"])
    assert len(artefact["workloads"]["entries"]["at_s"]) >= 20
    assert "emulated by qemu-aarch64: its times are no latencies" in artefact["reasons"]


def test_frames_of_a_clip_run_through_the_driver(phone, artefacts, clip, tmp_path):
    report = tmp_path / "report.json"
    whole = ("--source", clip, "--score-threshold", 0)
    outcome = phone.bench("good", artefacts["litert"], *FOUR_ROUNDS, *whole, "--json", report)
    assert outcome["status"] == 0, outcome["output"]
    (artefact,) = json.loads(report.read_text())["artefacts"]
    frames = artefact["workloads"]["frames"]
    assert frames["is_keyframe"][:4] == [True, False, False, True]
    assert {"resize", "encode", "decode", "segment", "frame"} <= set(frames["milliseconds"])


def test_an_engine_that_the_worker_has_not_is_told(phone, artefact):
    outcome = phone.bench("good", artefact)
    assert outcome["status"] == 2
    assert f"ONNX Runtime is not in this build ({artefact}): use a .pte file or" in _line(outcome)


def test_ctrl_c_ends_the_worker_and_leaves_nothing(phone, toy_artefacts):
    outcome = phone.bench("interrupted", toy_artefacts["tflite"])
    assert outcome["status"] == 130, outcome["output"]
    assert "interrupted (adb:127.0.0.1:6555)" in _line(outcome)


def test_a_worker_that_is_killed_is_told_and_leaves_nothing(phone, toy_artefacts):
    outcome = phone.bench("worker killed", toy_artefacts["tflite"])
    assert outcome["status"] == 2
    assert "the worker was cut off: killed by SIGKILL" in _line(outcome)


def test_a_worker_whose_host_is_killed_ends_and_leaves_nothing(phone, toy_artefacts):
    assert phone.bench("host killed", toy_artefacts["tflite"])["status"] == -9


def test_a_disk_that_is_too_small_is_told_before_anything_is_pushed(phone, toy_artefacts):
    outcome = phone.bench("good", toy_artefacts["tflite"], kib=8192)
    assert outcome["status"] == 2
    assert "no space on the device: " in _line(outcome)


def test_a_disk_that_fills_up_is_told_and_left_empty(phone, toy_artefacts):
    outcome = phone.bench("disk fills", toy_artefacts["tflite"], kib=65536)
    assert outcome["status"] == 2
    assert "the journal cannot be written: No space left on device" in _line(outcome)


def _line(outcome: dict[str, object]) -> str:
    """The one line of an error, which is the last."""
    return str(outcome["output"]).strip().splitlines()[-1]
