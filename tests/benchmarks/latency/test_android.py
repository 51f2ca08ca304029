"""What the host makes of the Android worker: its events, its command, its clips."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mobilevis.benchmarks.latency import android
from mobilevis.benchmarks.latency.worker.job import Job, Target
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS
from mobilevis.benchmarks.latency.workers import WORKERS, choose_worker, find_workers
from mobilevis.runtime.errors import UserError

from .test_faults import LocalTransport

JOB = Job((Target("a", "0-a.tflite"),), "timing", (4, 7), 1, PROTOCOLS["quick"])
START = {"event": "start", "pid": 9, "cpus_allowed": [0]}


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A worker that was built, with one library."""
    folder = tmp_path / "built"
    (folder / "lib" / "x86_64").mkdir(parents=True)
    (folder / "lib" / "x86_64" / "libengine.so").touch()
    (folder / android.JAR).touch()
    monkeypatch.setattr(android, "find_build", lambda: folder)
    return folder


def test_the_command_pins_and_finds_jar_and_libraries(built, tmp_path):
    worker = android.make_android_worker(LocalTransport(), tmp_path)
    assert worker.launch(LocalTransport(), "/data/local/tmp/m", JOB) == [
        "env",
        "CLASSPATH=/data/local/tmp/m/mobilevis-worker.jar",
        "LD_LIBRARY_PATH=/data/local/tmp/m",
        "taskset",
        "90",
        "app_process",
        "-Djava.library.path=/data/local/tmp/m",
        "/",
        "org.mobilevis.worker.Worker",
        "/data/local/tmp/m/job.json",
    ]
    assert list(worker.uploads) == ["libengine.so"]
    assert json.loads(worker.write_job(JOB))["readings"]["memory"]["files"] == ["/proc/self/status"]


def test_usage_of_others_is_told_from_our_own():
    seen = {"start": START}

    def usage(other, own, own_s, at_s):
        files = {
            "/proc/stat": f"cpu0 {other + own} 0 0 100 0 0 0 0\n",
            "/proc/9/stat": f"9 (worker) S {'0 ' * 10}{own} 0",
            "/proc/5/stat": f"5 (other one) S {'0 ' * 10}{other} 0",
        }
        return {"files": files, "tools": {}, "own_s": own_s, "at_s": at_s}

    event = {"event": "measured", "raw": {"before": usage(0, 0, 0.0, 1.0), "after": usage(50, 100, 1.0, 3.0)}}
    found = android.interpret(event, seen)
    assert found["others_on_pinned_cores"] == pytest.approx(0.25)
    assert found["users"] == [{"name": "other one", "cores": 0.25}]
    assert "raw" not in found


def test_a_device_is_what_its_files_and_properties_say():
    files = {"/proc/version": "Linux version 5.10.1-android (x@y) #1", "/proc/meminfo": "MemTotal: 2048 kB"}
    raw = {"files": files, "tools": {"ro.product.model": "Pixel\n", "ro.soc.model": ""}}
    found = android.interpret({"event": "device", "machine": "aarch64", "raw": raw}, {})
    assert found == {
        "event": "device",
        "machine": "aarch64",
        "kernel": "Linux 5.10.1-android",
        "memory_mib": "2",
        "ro.product.model": "Pixel",
    }


def test_a_clip_becomes_planes_of_yuv_in_full_range(clip, tmp_path):
    name, file = android.decode_clip(clip, tmp_path)
    assert name == "source_90x150.i420"
    frames = np.fromfile(file, np.uint8).reshape(7, 90 * 150 * 3 // 2)
    assert frames[0, : 90 * 150].max() == 255
    assert frames[0, : 90 * 150].min() == 0
    assert set(frames[0, 90 * 150 :]) == {128}  # black and white have no colour


def test_a_machine_that_no_engine_was_built_for_is_named(built, tmp_path, monkeypatch):
    monkeypatch.setattr(android, "ABIS", {"riscv64": "riscv64"})
    with pytest.raises(UserError, match=r"no engine was built for \w+ \(local\): known are riscv64"):
        android.make_android_worker(LocalTransport(), tmp_path)


def test_a_board_runs_the_python_worker(tmp_path):
    assert choose_worker(LocalTransport(), tmp_path).file.suffix == ".pyz"
    found = find_workers(LocalTransport())
    assert list(found) == list(WORKERS)
    assert found["python"] is None
    assert found["android"] == "no app_process there, it is not Android"
