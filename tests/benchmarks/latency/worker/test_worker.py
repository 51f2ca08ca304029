"""The worker in a process of its own, as on a device."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency.bench import Plan, run_plan
from mobilevis.benchmarks.latency.bundle import build_worker
from mobilevis.benchmarks.latency.transports.local import LocalTransport
from mobilevis.benchmarks.latency.worker.affinity import parse_allowed_cpus, pin
from mobilevis.benchmarks.latency.worker.job import Job, Target, parse_job
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.digests import UNKNOWN, digest_around
from mobilevis.runtime.errors import UserError
from tests.benchmarks.latency.conftest import SHORT, write_artefact, write_onnx

CPU = min(os.sched_getaffinity(0))


def measure(*artefacts: Path, transport=None, **fields):
    """A short run on one core of this machine."""
    plan = Plan(artefacts, SHORT, **{"cpus": str(CPU), **fields})
    return run_plan(transport or LocalTransport(), plan)


def test_entries_and_frames_are_measured_with_every_stage(artefact, clip):
    report, error = measure(artefact, source=clip, driver_options={"keyframe_interval": 3})
    assert error is None
    (result,) = report.artefacts
    assert set(result.workloads["entries"].milliseconds) == {"encode", "decode", "segment", "total"}
    frames = result.workloads["frames"]
    assert set(frames.milliseconds) == {
        *("read", "resize", "encode", "decode", "association", "segment", "masks", "frame")
    }
    assert len(frames.stage("frame")) >= SHORT.min_runs
    assert set(result.first_ms) == {"encode", "decode", "segment"}
    assert result.load_ms > 0


def test_keyframes_recur_at_the_interval_from_the_first_measured_frame(artefact, clip):
    report, _ = measure(artefact, source=clip, driver_options={"keyframe_interval": 3})
    frames = report.artefacts[0].workloads["frames"]
    # The clip has seven frames and starts again as a new video.
    assert list(frames.is_keyframe[:9]) == [True, False, False, True, False, False, True, True, False]
    assert [value is not None for value in frames.milliseconds["decode"][:4]] == [True, False, False, True]


def test_the_mask_is_what_the_kernel_gave_back(artefact):
    report, _ = measure(artefact)
    assert report.cpus_allowed == [CPU]
    assert report.setup.cpus == [CPU]


def test_outputs_are_verified_before_any_timing(tmp_path):
    broken = write_artefact(tmp_path / "broken", tolerance=-1.0)
    report, error = measure(broken)
    assert "differs from PyTorch" in str(error)
    assert not report.valid
    assert not report.artefacts[0].workloads


@pytest.fixture
def sealed(tmp_path):
    """An artefact with the digests of an export, one of whose files was changed after it."""
    folder = write_artefact(tmp_path / "sealed")
    metadata = load_artefact(folder).metadata
    unsealed = replace(metadata, digests=dict.fromkeys(metadata.entries, UNKNOWN))
    for entry in metadata.entries:
        write_onnx(folder / f"{entry}.onnx", entry, unsealed)
    text = unsealed.to_json()
    digests = {entry: digest_around(folder / f"{entry}.onnx", text) for entry in metadata.entries}
    for entry in metadata.entries:
        write_onnx(folder / f"{entry}.onnx", entry, replace(unsealed, digests=digests))
    assert load_artefact(folder).metadata.digests == digests
    with (folder / "encode.onnx").open("ab") as file:
        file.write(b"\x3a\x00")  # an empty field of the format's own, which engines pass over
    return folder


def test_a_changed_artefact_is_refused_on_the_device_and_measured_only_without_verification(sealed):
    _, error = measure(sealed)
    assert "the file is damaged: its SHA-256 is not the one in its metadata" in str(error)
    report, error = measure(sealed, verify=False)
    assert error is None
    assert report.setup.verified is False
    assert report.artefacts[0].workloads["entries"].at_s
    assert report.artefacts[0].parity  # its vectors are compared in any case


def test_parity_is_recorded(artefact):
    report, _ = measure(artefact)
    assert {row["output"] for row in report.artefacts[0].parity} >= {"kernels", "mask_logits"}


def test_interleaved_artefacts_are_timed_in_turns(artefact, tmp_path):
    other = shutil.copytree(artefact, tmp_path / "other")
    report, _ = measure(artefact, other, interleave=True)
    a, b = (result.workloads["entries"].at_s for result in report.artefacts)
    assert all(x < y for x, y in zip(a, b))
    assert all(y < x for y, x in zip(b, a[1:]))


def test_memory_and_profile_are_passes_of_their_own(artefact):
    purposes = []
    plan = Plan((artefact,), SHORT, cpus=str(CPU), memory=True, profile=True)
    report, _ = run_plan(
        LocalTransport(), plan, lambda event: purposes.append((event["event"], event.get("pid")))
    )
    (result,) = report.artefacts
    assert len({pid for name, pid in purposes if name == "start"}) == 3
    assert result.memory["peak_mib"] >= result.memory["loaded_mib"] > result.memory["before_mib"]
    assert {operator["type"] for operator in result.profile["entries"]["encode"]} >= {"AveragePool"}


def test_the_worker_needs_numpy_and_one_engine_only(artefact, clip, bare_python):
    board = bare_python.link("numpy", "onnxruntime")
    report, error = measure(artefact, transport=LocalTransport(str(board.executable)), source=clip)
    assert error is None
    (result,) = report.artefacts
    assert "entries" in result.workloads
    assert "frames" not in result.workloads
    assert "opencv-python-headless and lapx and threadpoolctl not installed" in result.not_measured["frames"]


def test_a_missing_engine_is_one_line_with_the_remedy(artefact, bare_python):
    board = bare_python.link("numpy")
    _, error = measure(artefact, transport=LocalTransport(str(board.executable)))
    assert "onnxruntime is not installed on the device" in str(error)
    assert "-m pip install onnxruntime" in str(error)


def test_an_engine_for_another_machine_is_one_line_with_the_remedy(artefact, bare_python):
    board = bare_python.link("numpy")
    home = Path(__import__("onnxruntime").__file__).parent
    copy = shutil.copytree(home, board.site / "onnxruntime", ignore=shutil.ignore_patterns("tools", "*.pyc"))
    for library in copy.rglob("*.so*"):
        content = bytearray(library.read_bytes())
        content[18:20] = (243).to_bytes(2, "little")  # e_machine: RISC-V
        library.write_bytes(content)
    _, error = measure(artefact, transport=LocalTransport(str(board.executable)))
    assert "does not load on" in str(error)
    assert "--force-reinstall" in str(error)


def test_a_missing_numpy_is_one_line_with_the_remedy(artefact, bare_python):
    _, error = measure(artefact, transport=LocalTransport(str(bare_python.executable)))
    assert "numpy is not installed on the device" in str(error)
    assert "-m pip install numpy" in str(error)


def test_a_narrowed_mask_is_refused():
    everything = os.sched_getaffinity(0)
    with pytest.raises(UserError, match="refuses CPUs 1023"):
        pin([1023])
    assert os.sched_getaffinity(0) == everything


def test_the_allowed_cpus_come_from_the_kernels_own_line():
    assert parse_allowed_cpus("Name:\tx\nCpus_allowed:\tf0\nCpus_allowed_list:\t4-7\n") == (4, 5, 6, 7)
    with pytest.raises(UserError, match="does not say"):
        parse_allowed_cpus("Name:\tx\n")


def test_a_worker_whose_host_is_gone_removes_its_folder(artefact, tmp_path):
    folder = tmp_path / "pushed"
    folder.mkdir()
    worker = build_worker(folder / "worker.pyz")
    job = Job((Target("a", str(artefact)),), "timing", (CPU,), 1, SHORT)
    (folder / "job.json").write_text(job.to_json())
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, worker, folder / "job.json"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.returncode == 1
    assert not folder.exists()


def test_what_a_library_prints_cannot_reach_the_journal(tmp_path, artefact):
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import atexit, os\natexit.register(os.write, 1, b'noise\\n')\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    _, error = measure(artefact, transport=LocalTransport(str(python)))
    assert error is None


def test_a_job_survives_its_json():
    job = Job(
        (Target("a", "0-a", "litert"),), "timing", (4, 5), 2, SHORT, "clip.mp4", {"keyframe_interval": 3}
    )
    assert parse_job(job.to_json()) == job


@pytest.mark.parametrize("change", [{"threads": 3}, {"purpose": "guess"}, {"targets": []}])
def test_a_job_that_cannot_be_done_is_refused(change):
    job = Job((Target("a", "0-a"),), "timing", (4, 5), 2, SHORT)
    with pytest.raises(ValueError, match=r"threads|pass|target"):
        parse_job(json.dumps({**json.loads(job.to_json()), **change}))
