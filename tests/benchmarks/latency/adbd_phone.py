"""Run in namespaces of its own: a phone of ``tests.arm.phone``, and ``mobilevis bench latency`` against it.

adbd lets everybody in, so the network has a loopback alone; the mounts and the table of emulated machines are
the namespaces' own as well. The one argument is JSON, see ``Board``; prints the outcome as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from tests.arm.phone import JAVA
from tests.benchmarks.latency.adbd_board import PORT, connect, raise_loopback

BINFMT = Path("/proc/sys/fs/binfmt_misc")
# The first twenty bytes of an arm64 program, and which of their bits count.
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
CPU = "cortex-a76"
PATIENCE = 300  # seconds; an emulated Java takes three to start on an idle core


@dataclass(frozen=True)
class Board:
    """What is run.

    Attributes:
        root: of the phone.
        qemu: the emulator.
        system: becomes the phone's /system.
        data: becomes its /data, or a disk of ``kib`` is mounted there.
        kib: size of the phone's disk; 0 for that of the folder.
        scratch: adb's home.
        scenario: a name in ``SCENARIOS``.
        arguments: of ``mobilevis bench latency``, but for the device.
    """

    root: str
    qemu: str
    system: str
    data: str
    kib: int
    scratch: str
    scenario: str
    arguments: Sequence[str]


def start_phone(board: Board) -> subprocess.Popen[bytes]:
    """Mount the phone's folders, make its programs run, and start its adbd."""
    _mount("-t", "binfmt_misc", "none", str(BINFMT))
    (BINFMT / "register").write_text(f":arm64:M::{MAGIC}:{MASK}:{board.qemu}:F")
    disk = ["-t", "tmpfs", "-o", f"size={board.kib}k", "none"] if board.kib else ["--bind", board.data]
    _mount(*disk, f"{board.root}/data")
    Path(board.root, "data", "local", "tmp").mkdir(parents=True, exist_ok=True)
    _mount("--bind", board.system, f"{board.root}/system")
    _mount("-t", "proc", "proc", f"{board.root}/proc")
    for name in ("dev", "sys"):
        _mount("--rbind", f"/{name}", f"{board.root}/{name}")
    variables = {"PATH": "/usr/bin:/usr/sbin:/system/bin", "ADBD_PORT": str(PORT), "QEMU_CPU": CPU}
    command = ["/usr/sbin/chroot", board.root, "/usr/sbin/adbd"]
    return subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def find_workers() -> Iterator[int]:
    """The processes of the worker on the phone; adb's own command line names its class, but no Java."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended meanwhile
        if JAVA.encode() in words and b"org.mobilevis.worker.Worker" in words:
            yield int(path.parent.name)


def kill_worker(data: Path, bench: subprocess.Popen[str]) -> None:
    for pid in find_workers():
        os.kill(pid, signal.SIGKILL)


def fill_disk(data: Path, bench: subprocess.Popen[str]) -> None:
    with (data / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass  # full, as wanted


# What happens as soon as the first samples are there.
SCENARIOS: dict[str, Callable[[Path, subprocess.Popen[str]], None]] = {
    "good": lambda data, bench: None,
    "interrupted": lambda data, bench: os.killpg(bench.pid, signal.SIGINT),
    "host killed": lambda data, bench: os.kill(bench.pid, signal.SIGKILL),
    "worker killed": kill_worker,
    "disk fills": fill_disk,
}


def run_bench(board: Board) -> dict[str, object]:
    """One run with its scenario; what it printed, and what it left on the phone."""
    data = Path(board.root, "data")
    scratch = data / "local" / "tmp"
    command = [sys.executable, "-m", "tests.benchmarks.latency.emulated", "bench", "latency"]
    bench = subprocess.Popen(
        [*command, *board.arguments, "--device", f"adb:127.0.0.1:{PORT}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell's background job, such as CI's, ignores Ctrl-C and hands that on to its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    if wait_until(lambda: bench.poll() is not None or _has_samples(scratch)) and bench.poll() is None:
        SCENARIOS[board.scenario](data, bench)
    output, _ = bench.communicate(timeout=2 * PATIENCE)
    wait_until(lambda: not any(find_workers()) and not any(scratch.iterdir()), 30)
    return {
        "status": bench.returncode,
        "output": output,
        "left": [path.name for path in scratch.iterdir()],
        "workers": len(list(find_workers())),
    }


def _has_samples(scratch: Path) -> bool:
    return any('"samples"' in journal.read_text() for journal in scratch.glob("*/journal.jsonl"))


def wait_until(is_true: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(0.1)
    return False


def main(board: Board) -> None:
    os.environ.update(HOME=board.scratch, ANDROID_ADB_SERVER_PORT="6037")
    raise_loopback()
    device = start_phone(board)
    try:
        connect()
        print(json.dumps(run_bench(board)))
    finally:
        subprocess.run(["adb", "kill-server"], capture_output=True, check=False)
        device.kill()
        device.wait()


if __name__ == "__main__":
    main(Board(**json.loads(sys.argv[1])))
