"""Who else used the CPU between two readings; pure functions, for any device's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TOP_USERS = 5
Processes = Mapping[int, tuple[str, int]]


@dataclass(frozen=True)
class Usage:
    """CPU time so far.

    Attributes:
        processes: process → (name, CPU ticks), of those that may be seen.
        cpu_ticks: CPU → (ticks not idle, all ticks); empty where the kernel hides it.
        own_s: CPU seconds of the worker itself.
        at_s: when this was read.
    """

    processes: Processes
    cpu_ticks: Mapping[str, tuple[int, int]]
    own_s: float
    at_s: float


def parse_process(path: str, text: str) -> tuple[int, tuple[str, int]]:
    """Process, name and CPU ticks of a /proc/PID/stat and its text."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return int(path.split("/")[2]), (head.partition("(")[2], int(fields[11]) + int(fields[12]))


def find_other_users(
    before: Processes, after: Processes, seconds: float, own_pid: int, ticks_a_second: int
) -> list[dict[str, Any]]:
    """The processes other than our own that used most CPU between two readings, in cores."""
    used = [
        (ticks - before.get(pid, ("", 0))[1], name) for pid, (name, ticks) in after.items() if pid != own_pid
    ]
    busiest = sorted(((ticks, name) for ticks, name in used if ticks > 0), reverse=True)[:TOP_USERS]
    return [{"name": name, "cores": ticks / ticks_a_second / seconds} for ticks, name in busiest]


def compare_usage(
    cpus: Sequence[int], before: Usage, after: Usage, own_pid: int, ticks_a_second: int
) -> dict[str, Any]:
    """Cores used by others, on the pinned ones and anywhere, None where the kernel hides it, and by whom."""
    seconds, own_s = after.at_s - before.at_s, after.own_s - before.own_s
    busy_s = {
        cpu: (after.cpu_ticks[cpu][0] - busy) / ticks_a_second
        for cpu, (busy, _) in before.cpu_ticks.items()
        if cpu in after.cpu_ticks
    }
    pinned = [str(cpu) for cpu in cpus]
    visible = bool(busy_s) and set(pinned) <= set(busy_s)
    pinned_s = sum(busy_s[cpu] for cpu in pinned) - own_s if visible else 0.0
    return {
        "others_on_pinned_cores": max(0.0, pinned_s) / seconds if visible else None,
        "others_anywhere": max(0.0, sum(busy_s.values()) - own_s) / seconds if visible else None,
        "users": find_other_users(before.processes, after.processes, seconds, own_pid, ticks_a_second),
    }
