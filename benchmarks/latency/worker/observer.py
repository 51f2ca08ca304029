"""Watches the device while the worker measures: snapshots before and after, a light reading every second."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
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
    select_reading,
)
from mobilevis.benchmarks.latency.worker.usage import Usage, compare_usage, parse_process

PROBE_ITERATIONS = 100_000
PROBE_REPEATS = 5
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
    return select_reading(read_local_files((FREQUENCY_GLOB, *TEMPERATURE_GLOBS)), cpus)


def probe_clock() -> float:
    """Milliseconds of a fixed piece of interpreter work, the best of some: a clock without cpufreq."""
    best = float("inf")
    for _ in range(PROBE_REPEATS):
        start = perf_counter()
        sum(range(PROBE_ITERATIONS))
        best = min(best, perf_counter() - start)
    return best * 1e3


def read_usage() -> Usage:
    """CPU time so far, of all that may be seen."""
    processes = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(errors="replace")
        except OSError:  # it ended meanwhile, or belongs to somebody else (Android's hidepid)
            continue
        pid, process = parse_process(str(path), text)
        processes[pid] = process
    times = os.times()
    ticks = parse_cpu_ticks(read_local_files(["/proc/stat"]).get("/proc/stat", ""))
    return Usage(processes, ticks, times.user + times.system, perf_counter())


class UsageMeter:
    """How much CPU others used since it was made, on the pinned cores and on the whole device."""

    def __init__(self, cpus: Sequence[int]) -> None:
        self._cpus = cpus
        self._before = read_usage()

    def stop(self) -> dict[str, Any]:
        """See ``compare_usage``."""
        return compare_usage(self._cpus, self._before, read_usage(), os.getpid(), os.sysconf("SC_CLK_TCK"))


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
