"""Run in a network namespace of its own: a real adbd, a real adb, and a run of the harness between them.

adbd listens on every interface and lets everybody in, which is why it gets a network with a loopback alone.
Arguments: adbd's folder, an artefact, a scratch folder, and ``good`` or ``lost``. Prints the outcome as JSON.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from mobilevis.benchmarks.latency.bench import Plan, run_plan
from mobilevis.benchmarks.latency.transports.base import Access
from mobilevis.benchmarks.latency.transports.registry import open_device
from mobilevis.benchmarks.latency.worker.protocol import Protocol
from tests.arm import userland as arm_userland

ROOT = Path(__file__).parents[3]  # of the repository, where `python -m tests…` finds its modules
PORT = 6555
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def find_obstacle(*namespaces: str) -> str:
    """Why no adbd can be run here, in these namespaces as ``unshare`` calls them; empty where it can."""
    reason = arm_userland.obstacle() or ("" if shutil.which("adb") else "adb is not installed")
    if reason:
        return reason
    failed = subprocess.run(["unshare", *namespaces, "true"], capture_output=True, check=False).returncode
    return "namespaces of our own are not allowed here" if failed else ""


def raise_loopback() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def start_adbd(root: Path) -> subprocess.Popen[bytes]:
    """Debian trixie's adbd on its own C library."""
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    tools = root / "usr" / "lib" / "android-sdk" / "platform-tools"
    path = f"{libraries}:{libraries}/android:{tools}"
    command = [libraries / "ld-linux-x86-64.so.2", "--library-path", path, tools / "adbd"]
    variables = {**os.environ, "ADBD_PORT": str(PORT)}
    return subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def connect() -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        subprocess.run(["adb", "connect", f"127.0.0.1:{PORT}"], capture_output=True, check=False)
        listing = subprocess.run(["adb", "devices"], capture_output=True, text=True, check=False).stdout
        if "\tdevice" in listing:
            return
        time.sleep(0.3)
    raise SystemExit("adb does not reach adbd")


def main(root: Path, artefact: Path, scratch: str, scenario: str) -> None:
    os.environ.update(HOME=scratch, ANDROID_ADB_SERVER_PORT="6037")
    raise_loopback()
    device = start_adbd(root)

    def on_event(event):
        if scenario == "lost" and event["event"] == "samples":
            device.send_signal(signal.SIGKILL)

    try:
        connect()
        seconds = 0.0 if scenario == "good" else 30.0
        protocol = Protocol("adbd", 20, seconds, 30.0, warmup_seconds=0.0, max_warmup_seconds=0.5)
        plan = Plan((artefact,), protocol, cpus=str(min(os.sched_getaffinity(0))))
        transport = open_device("adb", Access(python=sys.executable, scratch=f"{scratch}/device"))
        report, error = run_plan(transport, plan, on_event)
        series = report.artefacts[0].workloads.get("entries")
        outcome = {
            "address": transport.address,
            "error": None if error is None else str(error),
            "samples": len(series.at_s) if series else 0,
            "valid": report.valid,
        }
        print(json.dumps(outcome))
    finally:
        subprocess.run(["adb", "kill-server"], capture_output=True, check=False)
        device.kill()
        device.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
