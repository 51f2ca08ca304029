"""An Android device or a board with adbd, over the system's adb."""

from __future__ import annotations

import ctypes
import re
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from mobilevis.benchmarks.latency.transports.base import (
    Access,
    Finished,
    OnLine,
    TransportError,
    execute,
    local_path,
    parse_files,
    quote,
    reading_script,
)
from mobilevis.runtime.errors import UserError

PR_SET_PDEATHSIG = 1
SERIAL = re.compile(r"[\w.:%()\[\] +-]+")
DEFAULT_PORT = ":5555"  # of adb over TCP, which adb itself lets one leave out
MDNS_SERVICE = "._adb-tls-connect._tcp"  # ends the serial of a phone that was paired over Wi-Fi
ADDRESS = re.compile(r"(?:[\w-]+(?:\.[\w-]+)+|\[[0-9A-Fa-f:.%\w]+\]|localhost)(?::\d{1,5})?")
# A second phone of one mDNS name is listed as "name (2)._adb-tls-connect._tcp", with that space.
LISTED = re.compile(r"(?P<serial>\S+(?: \(\d+\)\S*)?)\s+(?P<state>no permissions|\S+)(?P<facts>.*)")
LOST = re.compile(
    r"^(?:adb|error): .*(?:not found|offline|unauthorized|no devices|closed|protocol fault|no response).*$",
    re.MULTILINE,
)
STATE_FIXES = {
    "unauthorized": "unlock the device and allow this computer's key",
    "offline": "wake the device, then plug it in or run `adb connect` again",
    "no permissions": "add a udev rule for the device, or join the plugdev group",
    "recovery": "boot the device into Android",
    "bootloader": "boot the device into Android",
}


@dataclass(frozen=True)
class AdbDevice:
    """One line of ``adb devices -l``."""

    serial: str
    state: str
    model: str = ""


def parse_devices(text: str) -> list[AdbDevice]:
    """The devices of ``adb devices -l``."""
    devices = []
    for line in text.splitlines():
        match = LISTED.fullmatch(line.strip())
        if match and not line.startswith(("List of", "*")):
            model = re.search(r"\bmodel:(\S+)", match["facts"])
            devices.append(AdbDevice(match["serial"], match["state"], model[1] if model else ""))
    return devices


def list_devices(adb: str = "adb") -> list[AdbDevice]:
    """The devices that adb knows.

    Raises:
        UserError: adb is not installed or fails.
    """
    done = execute([adb, "devices", "-l"])
    if done.status != 0:
        raise UserError(f"adb fails: {done.complaint}", fix="check `adb devices`")
    return parse_devices(done.stdout)


def choose_device(devices: Sequence[AdbDevice], serial: Optional[str]) -> AdbDevice:
    """The device of this serial, or the only one.

    A wireless serial may leave out adb's own port, or the mDNS service: ``192.168.1.5``, ``adb-R58M-x1Yz``.

    Raises:
        TransportError: none, several and no serial, or one that is not ready; the message says what to do.
    """
    found = [device for device in devices if serial is None or serial in _names(device)]
    listed = ", ".join(device.serial for device in devices) or "none"
    if not found:
        what = "no device is connected" if serial is None else f"no device has serial {serial}"
        connect = f"run `adb connect {serial}`; " if serial and ADDRESS.fullmatch(serial) else ""
        raise TransportError(what, "adb", f"{connect}connected: {listed}")
    if len(found) > 1:
        raise TransportError(
            f"{len(found)} devices are connected", "adb", f"give adb:SERIAL, one of {listed}"
        )
    device = found[0]
    if device.state != "device":
        fix = STATE_FIXES.get(device.state, "check `adb devices`")
        raise TransportError(f"the device is {device.state}", f"adb:{device.serial}", fix)
    return device


def _names(device: AdbDevice) -> set[str]:
    serial = device.serial.rstrip(".")
    return {device.serial, serial, serial.removesuffix(DEFAULT_PORT), serial.removesuffix(MDNS_SERVICE)}


class AdbTransport:
    """A device with adbd.

    Args:
        serial: as ``adb devices`` lists it; None takes the only one.
        adb: the adb program.
        python: the Python there; plain Android has none.
        scratch: where temporary folders may be made there.

    Raises:
        UserError: adb is not installed, or the device is not ready.
    """

    python_advice = (
        "the Python worker needs Python 3.9, and the Android worker app_process: "
        "use a phone or a board, or give --python with the path of one"
    )

    def __init__(
        self,
        serial: Optional[str] = None,
        adb: str = "adb",
        python: str = "python3",
        scratch: str = "/data/local/tmp",
    ) -> None:
        if serial is not None and not SERIAL.fullmatch(serial):
            raise UserError(f"{serial} is not a serial", fix="give adb or adb:SERIAL")
        self._device = choose_device(list_devices(adb), serial)
        self._adb = [adb, "-s", self._device.serial]
        self.address = f"adb:{self._device.serial}"
        self.python = python
        self.scratch = scratch
        self._refuse_sleep()

    def _refuse_sleep(self) -> None:
        """A sleeping phone parks its fast cores; boards without Android's power service do not say."""
        state = re.search(r"mWakefulness=(\w+)", self.run(["dumpsys", "power"]).stdout)
        if state and state[1] != "Awake":
            raise TransportError(
                f"the device is {state[1].lower()}", self.address, "wake it and keep it awake"
            )

    def push(self, local: Path, remote: str) -> None:
        """Copy a file or a folder with adb push."""
        done = execute([*self._adb, "push", local_path(local), remote])
        if done.status != 0:
            self._check_connection(done)
            if "No space left" in done.stderr + done.stdout:
                raise UserError(f"no space on {self.address}", remote, "free some space there")
            raise UserError(f"cannot copy to {self.address}: {done.complaint}", remote)

    def pull(self, remote: str, local: Path) -> None:
        """Copy one file back with adb pull."""
        done = execute([*self._adb, "pull", remote, local_path(local)])
        if done.status != 0:
            self._check_connection(done)
            raise UserError(f"cannot copy from {self.address}: {done.complaint}", remote)

    def run(self, command: Sequence[str], on_line: Optional[OnLine] = None) -> Finished:
        """Run a program with adb shell, which hands its exit status on."""
        done = execute([*self._adb, "shell", "-T", quote(command)], on_line, before=_end_with_parent)
        if done.status != 0:
            self._check_connection(done)
        return done

    def read(self, globs: Iterable[str]) -> dict[str, str]:
        """Read files there, in one round trip."""
        return parse_files(self.run(["sh", "-c", reading_script(globs)]).stdout)

    def _check_connection(self, done: Finished) -> None:
        """Raise if adb itself failed: it has one status for its own failures and for a program's."""
        own = LOST.search(done.stderr)
        if own or done.status < 0:
            words = own[0].strip() if own else done.complaint
            raise TransportError(f"device lost: {words}", self.address, "check `adb devices` and the cable")


def _end_with_parent() -> None:
    """Have Linux end this adb when we are killed, or the worker never learns it: adb goes on unread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def open_adb(target: str, access: Access) -> AdbTransport:
    """The device of an address; without a serial the only one.

    Raises:
        UserError: adb is not installed, or has no such device.
    """
    return AdbTransport(target or None, **access.overrides())


def list_adb(access: Access) -> list[tuple[str, str]]:
    """(address, state) of what adb knows."""
    if shutil.which("adb") is None:
        return [("adb", "adb is not installed")]
    ready = {"device": "ready"}
    return [
        (f"adb:{device.serial}", f"{ready.get(device.state, device.state)} {device.model}".strip())
        for device in list_devices()
    ]
