"""The memory pass: one target in a process of its own, so that nobody else's peak is in the figure."""

from __future__ import annotations

import re
from pathlib import Path

from mobilevis.benchmarks.latency.worker.job import Job
from mobilevis.benchmarks.latency.worker.journal import Journal
from mobilevis.benchmarks.latency.worker.loading import load
from mobilevis.benchmarks.latency.worker.workloads import (
    EntriesWorkload,
    Workload,
    frames_obstacle,
    make_frames,
)

STEPS = 12  # at least one keyframe and its successors for every interval that the paper measures


def run(job: Job, journal: Journal) -> None:
    """Load each target and run it; journal the resident MiB before, after loading, and at the peak."""
    for index, target in enumerate(job.targets):
        before, _ = resident_mib(Path("/proc/self/status").read_text())
        loaded = load(target, job.threads, job.verify)
        after, _ = resident_mib(Path("/proc/self/status").read_text())
        source = job.source
        workload: Workload = EntriesWorkload(loaded.runner.run, loaded.inputs)
        if loaded.artefact and source and not frames_obstacle(target.is_baseline, source):
            workload = make_frames(loaded.artefact, job.driver_options, source, job.threads)
        steps = 0
        while steps < STEPS:
            steps += len(workload.step())
        _, peak = resident_mib(Path("/proc/self/status").read_text())
        journal.write(
            "memory", target=index, before_mib=before, loaded_mib=after, peak_mib=peak, workload=workload.kind
        )


def resident_mib(status: str) -> tuple[float, float]:
    """Resident memory and its peak so far, in MiB, of the text of /proc/PID/status.

    Raises:
        ValueError: the text holds neither.
    """
    values = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE))
    if len(values) != 2:
        raise ValueError("the kernel does not say how much memory this process has")
    return int(values["VmRSS"]) / 1024, int(values["VmHWM"]) / 1024
