"""Watches the device while the worker measures: snapshots before and after, a light reading every second."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import get_native_id
from time import perf_counter
from typing import Any

from mobilevis.benchmarks.latency.worker.environment import (
    ANDROID_PROPERTIES,
    FREQUENCY_GLOB,
    IDENTITY_GLOBS,
    SNAPSHOT_GLOBS,
    TEMPERATURE_GLOBS,
    Snapshot,
    parse_cpu_ticks,
    parse_identity,
    parse_snapshot,
    read_local_files,
)

PROBE_ITERATIONS = 100_000
PROBE_REPEATS = 5
TOP_USERS = 5
TOOL_SECONDS = 10


def identify() -> dict[str, str]:
    """What this device is."""
    system = os.uname()
    properties = {name: _output("getprop", name).strip() for name in ANDROID_PROPERTIES}
    facts = parse_identity(read_local_files(IDENTITY_GLOBS), properties)
    known = {"machine": system.machine, "kernel": f"{system.sysname} {system.release}", **facts}
    emulator = find_emulator()
    return {**known, "emulator": emulator} if emulator else known


def find_emulator() -> str:
    """The user-mode emulator that this process runs under, such as ``qemu-aarch64``; empty on real hardware.

    QEMU answers /proc/self/exe with the emulated program, but not the same link of a thread.
    """
    try:
        program = Path(f"/proc/self/task/{get_native_id()}/exe").readlink().name
    except OSError:
        return ""
    return program if program.startswith("qemu-") else ""


def take_snapshot() -> Snapshot:
    """The device's state now; takes some milliseconds, on Android tenths of a second."""
    files = read_local_files(SNAPSHOT_GLOBS)
    return parse_snapshot(files, _output("dumpsys", "thermalservice"), _output("dumpsys", "battery"))


def take_reading(cpus: Sequence[int]) -> dict[str, Any]:
    """Temperatures in °C and the pinned cores' frequencies in kHz: what is quick to read."""
    snapshot = parse_snapshot(read_local_files((FREQUENCY_GLOB, *TEMPERATURE_GLOBS)))
    pinned = {cpu: khz for cpu, khz in snapshot.frequencies_khz.items() if int(cpu) in cpus}
    return {"temperatures_c": snapshot.temperatures_c, "frequencies_khz": pinned}


def probe_clock() -> float:
    """Milliseconds of a fixed piece of interpreter work, the best of some: a clock without cpufreq."""
    best = float("inf")
    for _ in range(PROBE_REPEATS):
        start = perf_counter()
        sum(range(PROBE_ITERATIONS))
        best = min(best, perf_counter() - start)
    return best * 1e3


def process_ticks() -> dict[int, tuple[str, int]]:
    """Process → (name, CPU ticks so far), of the processes that this one may see."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(errors="replace")
        except OSError:  # it ended meanwhile, or belongs to somebody else (Android's hidepid)
            continue
        head, _, tail = text.rpartition(")")
        fields = tail.split()
        found[int(path.parent.name)] = (head.partition("(")[2], int(fields[11]) + int(fields[12]))
    return found


def other_users(
    before: Mapping[int, tuple[str, int]], after: Mapping[int, tuple[str, int]], seconds: float
) -> list[dict[str, Any]]:
    """The processes other than this one that used most CPU between two readings, in cores."""
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    used = [
        (ticks - before.get(pid, ("", 0))[1], name)
        for pid, (name, ticks) in after.items()
        if pid != os.getpid()
    ]
    busiest = sorted(((ticks, name) for ticks, name in used if ticks > 0), reverse=True)[:TOP_USERS]
    return [{"name": name, "cores": ticks / ticks_a_second / seconds} for ticks, name in busiest]


class UsageMeter:
    """How much CPU others used since it was made, on the pinned cores and on the whole device."""

    def __init__(self, cpus: Sequence[int]) -> None:
        self._cpus = [str(cpu) for cpu in cpus]
        self._processes = process_ticks()
        self._ticks = parse_cpu_ticks(_proc_stat())
        self._own_s = _own_cpu_seconds()
        self._start = perf_counter()

    def stop(self) -> dict[str, Any]:
        """Cores used by others, pinned and anywhere, None where the kernel hides it, and by whom."""
        seconds = perf_counter() - self._start
        own_s = _own_cpu_seconds() - self._own_s
        a_second = os.sysconf("SC_CLK_TCK")
        after = parse_cpu_ticks(_proc_stat())
        busy_s = {
            cpu: (after[cpu][0] - busy) / a_second for cpu, (busy, _) in self._ticks.items() if cpu in after
        }
        visible = bool(busy_s) and set(self._cpus) <= set(busy_s)
        pinned_s = sum(busy_s[cpu] for cpu in self._cpus) - own_s if visible else 0.0
        return {
            "others_on_pinned_cores": max(0.0, pinned_s) / seconds if visible else None,
            "others_anywhere": max(0.0, sum(busy_s.values()) - own_s) / seconds if visible else None,
            "users": other_users(self._processes, process_ticks(), seconds),
        }


def _proc_stat() -> str:
    return read_local_files(["/proc/stat"]).get("/proc/stat", "")


def _own_cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def _output(*command: str) -> str:
    """What an Android tool prints; empty where there is no such tool, or where it hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TOOL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout
