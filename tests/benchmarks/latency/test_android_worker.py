"""The Android worker through a stand-in for adb: the phone is this machine, ``app_process`` its Java."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency import android
from mobilevis.benchmarks.latency.bench import run_plan
from mobilevis.benchmarks.latency.devices import describe_device

from .conftest import LONG, SHORT
from .test_adb import Phone
from .test_faults import check_salvaged, on_first_samples, plan

ROOT = Path(__file__).parents[3] / "android_demo" / "worker" / "target"
CLASSPATH = ROOT / "desktop.classpath"
NO_PYTHON = "python-that-is-not-there"
# What app_process does: options for the virtual machine, a folder, a class and its arguments.
APP_PROCESS = """\
#!/bin/sh
case $1 in -Djava.library.path=*) shift ;; *) echo "no library path" >&2; exit 9 ;; esac
[ -f "$CLASSPATH" ] && [ -f "$LD_LIBRARY_PATH/libengine.so" ] || exit 8
shift
unset CLASSPATH LD_LIBRARY_PATH
exec java -cp '{classpath}' "$@"
"""


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """A phone with ``app_process`` and a worker that was built."""
    if not CLASSPATH.is_file() or shutil.which("java") is None:
        pytest.skip("the Kotlin worker is not built: mvn -f android_demo verify runs these tests")
    built = tmp_path / "built"
    for abi in android.ABIS.values():
        (built / "lib" / abi).mkdir(parents=True)
        (built / "lib" / abi / "libengine.so").touch()
    (built / android.JAR).touch()
    monkeypatch.setattr(android, "find_build", lambda: built)
    phone = Phone(tmp_path / "phone")
    monkeypatch.setenv("PATH", f"{phone.state / 'host'}:{os.environ['PATH']}")
    phone.install("app_process", APP_PROCESS.format(classpath=CLASSPATH.read_text()))
    return phone


def test_a_phone_without_python_is_measured(phone, artefact, clip):
    phone.answer("dumpsys", "mWakefulness=Awake\nThermal Status: 2\n  level: 77\n  temperature: 301")
    phone.answer("getprop", "SM-A528B")
    report, error = run_plan(
        phone.transport(python=NO_PYTHON),
        plan(artefact, SHORT, source=clip, driver_options={"keyframe_interval": 3}),
    )
    assert error is None
    (result,) = report.artefacts
    entries, frames = result.workloads["entries"], result.workloads["frames"]
    assert set(entries.milliseconds) == {"encode", "decode", "segment", "total"}
    assert len(entries.at_s) >= SHORT.min_runs
    assert frames.is_keyframe[:4] == [True, False, False, True]
    assert {"resize", "encode", "decode", "segment", "frame"} <= set(frames.milliseconds)
    assert max(frames.instances) > 0
    assert result.facts["engine"] == "onnxruntime"
    assert all(item["max_abs"] <= item["tolerance"] for item in result.parity)
    assert result.before["snapshot"]["thermal_status"] == 2
    assert result.before["snapshot"]["cpu_ticks"]
    assert result.after["snapshot"]["battery"]["percent"] == 77
    assert entries.others_on_pinned_cores is not None
    assert report.device["ro.product.model"] == "SM-A528B"
    assert report.device["kernel"].startswith("Linux ")
    assert report.device["versions"]["worker"] == "android"
    assert report.cpus_allowed == report.setup.cpus
    assert list(phone.scratch.iterdir()) == []


def test_its_report_has_the_python_worker_s_form(phone, artefact):
    ours, _ = run_plan(phone.transport(python=NO_PYTHON), plan(artefact, SHORT, memory=True, profile=True))
    theirs, _ = run_plan(phone.transport(), plan(artefact, SHORT, memory=True, profile=True))
    one, other = (report.artefacts[0] for report in (ours, theirs))
    for name in ("before", "after"):
        assert _form(getattr(one, name)) == _form(getattr(other, name))
    assert _form(one.readings[0]) == _form(other.readings[0])
    assert set(one.facts) == set(other.facts)
    assert [set(item) for item in one.parity] == [set(item) for item in other.parity]
    assert _form(one.memory) == _form(other.memory)
    assert vars(one.workloads["entries"]).keys() == vars(other.workloads["entries"]).keys()
    assert one.not_measured == other.not_measured
    assert "no profiler" in one.profile["not_available"]


def _form(value):
    """Keys all the way down, with the kinds of what they hold; CPUs and thermal zones by their kind alone."""
    if isinstance(value, dict):
        return {key: _form(item) for key, item in value.items() if not key.isdigit()}
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def test_an_artefact_that_is_damaged_is_named_by_its_path_here(phone, artefact, tmp_path):
    broken = shutil.copytree(artefact, tmp_path / "broken")
    (broken / "decode.onnx").unlink()
    _, error = run_plan(phone.transport(python=NO_PYTHON), plan(broken, SHORT))
    assert f"the folder must hold exactly decode.onnx, encode.onnx, segment.onnx ({broken})" in str(error)
    assert list(phone.scratch.iterdir()) == []


def test_ctrl_c_ends_the_worker_and_leaves_nothing(phone, artefact):
    def interrupt(pid):
        raise KeyboardInterrupt

    report, error = run_plan(
        phone.transport(python=NO_PYTHON), plan(artefact, LONG), on_first_samples(interrupt)
    )
    assert "interrupted" in str(error)
    check_salvaged(report, phone.scratch)


def test_a_worker_killed_on_the_phone(phone, artefact):
    kill = on_first_samples(lambda pid: os.kill(pid, signal.SIGKILL))
    report, error = run_plan(phone.transport(python=NO_PYTHON), plan(artefact, LONG), kill)
    assert "the worker was cut off: killed by SIGKILL" in str(error)
    check_salvaged(report, phone.scratch)


def test_no_space_on_the_phone(phone, artefact):
    (phone.state / "full").touch()
    _, error = run_plan(phone.transport(python=NO_PYTHON), plan(artefact))
    assert "no space on adb:R58M123ABC" in str(error)
    assert list(phone.scratch.iterdir()) == []


def test_other_cores_than_asked_for_are_refused(phone, artefact):
    phone.install("taskset", '#!/bin/sh\nshift; exec "$@"\n')
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one core only")
    _, error = run_plan(phone.transport(python=NO_PYTHON), plan(artefact, SHORT))
    assert "asked for CPUs" in str(error)


def test_a_plain_model_is_refused(phone, artefact):
    report, error = run_plan(
        phone.transport(python=NO_PYTHON),
        plan(artefact, SHORT, baselines=(artefact / "encode.onnx",)),
    )
    assert "the Android worker times artefacts only" in str(error)
    assert not report.valid


def test_devices_says_which_workers_a_phone_can_run(phone, monkeypatch, tmp_path):
    facts = describe_device(phone.transport(python=NO_PYTHON))
    assert facts.workers == {"python": f"no {NO_PYTHON} there", "android": None}
    monkeypatch.setattr(android, "find_build", lambda: tmp_path)
    facts = describe_device(phone.transport(python=NO_PYTHON))
    assert facts.workers["android"] == f"not built; build it with: {android.BUILD}"
