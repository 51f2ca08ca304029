"""The adb transport: faults against a stand-in for adb, whose "device" is this machine."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency import android
from mobilevis.benchmarks.latency.bench import run_plan
from mobilevis.benchmarks.latency.devices import describe_device
from mobilevis.benchmarks.latency.transports.adb import AdbDevice, parse_devices
from mobilevis.benchmarks.latency.transports.base import Access
from mobilevis.benchmarks.latency.transports.registry import list_addresses, open_device
from mobilevis.runtime.errors import UserError

from .conftest import LONG, SHORT
from .test_faults import check_salvaged, on_first_samples, plan

LISTING = "List of devices attached\n"
PHONE = "R58M123ABC             device usb:1-2 product:a52s model:SM_A528B device:a52sxq transport_id:3\n"
BOARD = "10.0.0.7:5555          device product:x model:Board device:y transport_id:4\n"

# Messages and exit statuses are adb 34's.
ADB = """\
#!/bin/sh
state="{state}"
if [ "$1" = devices ]; then cat "$state/devices"; exit; fi
shift 2
case $1 in
push)
  if [ -e "$state/full" ]; then
    echo "adb: error: failed to copy '$2' to '$3': No space left on device" >&2; exit 1; fi
  exec cp -r "$2" "$3" ;;
pull) exec cp "$2" "$3" ;;
shell)
  PATH="$state/bin:$PATH" sh -c "$3; exit \\$?" & child=$!
  while kill -0 $child 2>/dev/null; do
    if [ -e "$state/lost" ]; then pkill -P $child; echo "error: closed" >&2; exit 1; fi
    sleep 0.05
  done
  wait $child ;;
esac
"""


class Phone:
    """What the stand-in shows: ``devices`` lists, ``full`` and ``lost`` are faults, ``bin`` has tools."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.scratch = state / "scratch"
        for folder in (state, self.scratch, state / "bin", state / "host"):
            folder.mkdir()
        self.list(PHONE)
        self._write(state / "host" / "adb", ADB.format(state=state))

    def list(self, *devices: str) -> None:
        (self.state / "devices").write_text(LISTING + "".join(devices) + "\n")

    def answer(self, tool: str, text: str) -> None:
        self.install(tool, f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")

    def install(self, tool: str, script: str) -> None:
        self._write(self.state / "bin" / tool, script)

    def transport(self, address: str = "adb", python: str = sys.executable):
        return open_device(address, Access(python=python, scratch=str(self.scratch)))

    @staticmethod
    def _write(path: Path, script: str) -> None:
        path.write_text(script)
        path.chmod(0o755)


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phone:
    phone = Phone(tmp_path / "phone")
    monkeypatch.setenv("PATH", f"{phone.state / 'host'}:{os.environ['PATH']}")
    return phone


def test_a_run_over_adb_measures_and_leaves_nothing(phone, artefact):
    report, error = run_plan(phone.transport(), plan(artefact, SHORT))
    assert error is None
    assert report.device["address"] == "adb:R58M123ABC"
    assert len(report.artefacts[0].workloads["entries"].at_s) >= SHORT.min_runs
    assert list(phone.scratch.iterdir()) == []


def test_two_devices_and_no_serial(phone):
    phone.list(PHONE, BOARD)
    with pytest.raises(
        UserError, match=r"2 devices are connected \(adb\): give adb:SERIAL, one of R58M123ABC, 10"
    ):
        phone.transport()
    assert phone.transport("adb:10.0.0.7:5555").address == "adb:10.0.0.7:5555"


PAIRED = "adb-R58M123ABC-x1YzAb._adb-tls-connect._tcp"
SECOND = "adb-R58M123ABC-x1YzAb (2)._adb-tls-connect._tcp"
IPV6 = "[fe80::1%wlan0]:5555"


@pytest.mark.parametrize(
    ("address", "serial"),
    [
        ("192.168.1.5:5555", "192.168.1.5:5555"),
        ("192.168.1.5", "192.168.1.5:5555"),
        ("192.168.1.5:37115", "192.168.1.5:37115"),
        (IPV6, IPV6),
        ("[fe80::1%wlan0]", IPV6),
        (PAIRED, PAIRED),
        ("adb-R58M123ABC-x1YzAb", PAIRED),
        (SECOND, SECOND),
        ("0123456789", "0123456789"),
    ],
)
def test_wireless_serials_and_serials_of_digits_are_found(phone, address, serial):
    serials = ["192.168.1.5:5555", "192.168.1.5:37115", IPV6, PAIRED, SECOND, "0123456789"]
    phone.list(*(f"{name:22} device product:x model:Phone device:y transport_id:4\n" for name in serials))
    assert phone.transport(f"adb:{address}").address == f"adb:{serial}"
    assert (f"adb:{serial}", "ready Phone") in list_addresses()


def test_a_wireless_device_that_is_not_connected_names_the_command(phone):
    with pytest.raises(UserError, match=r"no device has serial 192\.168\.1\.5:5555 .*run `adb connect 192"):
        phone.transport("adb:192.168.1.5:5555")


@pytest.mark.parametrize("name", ["14:05:33", "-rf", "1234"])
def test_artefacts_of_any_name_reach_the_phone(phone, artefact, tmp_path, monkeypatch, name):
    shutil.copytree(artefact, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    report, error = run_plan(phone.transport(), plan(Path(name), SHORT))
    assert error is None
    assert report.artefacts[0].name == name


def test_no_device_and_a_wrong_serial(phone):
    with pytest.raises(UserError, match="no device has serial XYZ"):
        phone.transport("adb:XYZ")
    phone.list()
    with pytest.raises(UserError, match="no device is connected"):
        phone.transport()


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("unauthorized", "unlock the device and allow this computer's key"),
        ("offline", "wake the device"),
        ("no permissions", "udev rule"),
    ],
)
def test_a_device_that_is_not_ready(phone, state, remedy):
    phone.list(PHONE.replace("device usb", f"{state} usb", 1))
    with pytest.raises(UserError, match=f"the device is {state}.*{remedy}"):
        phone.transport()


def test_a_device_asleep(phone):
    phone.answer("dumpsys", "  mWakefulness=Asleep\n  mWakefulnessChanging=false")
    with pytest.raises(UserError, match=r"the device is asleep .*: wake it"):
        phone.transport()
    phone.answer("dumpsys", "  mWakefulness=Awake")
    phone.transport()


def test_a_board_without_python_is_told_what_workers_need(phone, artefact):
    report, error = run_plan(phone.transport(python="python9"), plan(artefact))
    assert "the device has no python9" in str(error)
    assert "the Python worker needs Python 3.9, and the Android worker app_process" in str(error)
    assert not report.valid
    assert list(phone.scratch.iterdir()) == []


def test_a_worker_that_was_not_built_is_answered_by_what_builds_it(phone, artefact, monkeypatch, tmp_path):
    phone.answer("app_process", "")
    monkeypatch.setattr(android, "find_build", lambda: tmp_path)
    command = r"the Android worker is not built .*: build it with: mvn -f android_demo package -pl worker -am"
    with pytest.raises(UserError, match=command):
        run_plan(phone.transport(python="python9"), plan(artefact))


def test_no_space_on_the_phone(phone, artefact):
    (phone.state / "full").touch()
    _, error = run_plan(phone.transport(), plan(artefact))
    assert "no space on adb:R58M123ABC" in str(error)
    assert list(phone.scratch.iterdir()) == []


def test_a_device_lost_in_the_middle(phone, artefact):
    report, error = run_plan(
        phone.transport(), plan(artefact, LONG), on_first_samples(lambda pid: (phone.state / "lost").touch())
    )
    assert "device lost: error: closed" in str(error)
    assert not report.valid
    assert len(report.artefacts[0].workloads["entries"].at_s) > 0


def test_a_worker_killed_on_the_phone(phone, artefact):
    kill = on_first_samples(lambda pid: os.kill(pid, signal.SIGKILL))
    report, error = run_plan(phone.transport(), plan(artefact, LONG), kill)
    assert "the worker was cut off: killed by SIGKILL" in str(error)
    check_salvaged(report, phone.scratch)


def test_a_phone_shows_its_properties_and_thermal_state(phone, artefact):
    phone.answer("getprop", "SM-A528B")
    phone.answer(
        "dumpsys", "mWakefulness=Awake\nThermal Status: 0\n  level: 77\n  status: 3\n  temperature: 301"
    )
    report, _ = run_plan(phone.transport(), plan(artefact, SHORT))
    snapshot = report.artefacts[0].before["snapshot"]
    assert report.device["ro.product.model"] == "SM-A528B"
    assert snapshot["thermal_status"] == 0
    assert snapshot["battery"] == {"percent": 77, "status": "Discharging", "temperature_c": 30.1}


def test_show_says_clearly_that_a_phone_has_no_python(phone):
    facts = describe_device(phone.transport(python="python9"))
    assert facts.python is None
    assert "the device has no python9" in facts.missing
    assert facts.topology.cpus


def test_devices_lists_each_with_its_state(phone):
    phone.list(PHONE, "0123456789ABCDEF       unauthorized usb:1-1 transport_id:5\n")
    assert list_addresses() == [
        ("local", "ready"),
        ("adb:R58M123ABC", "ready SM_A528B"),
        ("adb:0123456789ABCDEF", "unauthorized"),
    ]


def test_a_daemon_that_starts_up_is_no_device():
    text = "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n" + LISTING + PHONE
    assert parse_devices(text) == [AdbDevice("R58M123ABC", "device", "SM_A528B")]


def test_a_serial_that_is_none_never_reaches_adb():
    with pytest.raises(UserError, match="is not a serial"):
        open_device("adb:; rm -rf /")


def test_without_adb_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="cannot run adb"):
        open_device("adb")
    assert ("adb", "adb is not installed") in list_addresses()


@pytest.mark.parametrize("address", ["", "usb", "localhost", "ssh", "ssh:", "adbx"])
def test_an_unknown_kind_of_device_is_refused(address):
    with pytest.raises(UserError, match="is not known: give local, ssh:USER@HOST"):
        open_device(address)
