"""Pin this process to CPUs and believe only what the kernel says of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mobilevis.benchmarks.latency.worker.cpus import format_cpus, parse_cpu_list
from mobilevis.runtime.errors import UserError


def parse_allowed_cpus(status: str) -> tuple[int, ...]:
    """The CPUs of ``Cpus_allowed_list`` in the text of /proc/PID/status.

    Raises:
        UserError: the text has no such line.
    """
    for line in status.splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return parse_cpu_list(line.split(":", 1)[1])
    raise UserError("the kernel does not say which CPUs a process may use", "/proc/self/status")


def pin(cpus: Sequence[int]) -> tuple[int, ...]:
    """Restrict this process to some CPUs, before any engine starts threads that would keep the old mask.

    Returns:
        The CPUs as the kernel gives them back, equal to those asked for.

    Raises:
        UserError: the kernel refuses, or a cpuset narrows the mask.
    """
    fix = "choose other cores, or leave the cpuset (a container, Android's background group)"
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise UserError(f"the system refuses CPUs {format_cpus(cpus)}: {error.strerror}", fix=fix) from error
    allowed = parse_allowed_cpus(Path("/proc/self/status").read_text())
    if set(allowed) != set(cpus):
        raise UserError(
            f"asked for CPUs {format_cpus(cpus)}, the system allows {format_cpus(allowed)}", fix=fix
        )
    return allowed
