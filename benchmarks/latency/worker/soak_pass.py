"""The soak pass: thousands of frames as one video, and what the process holds on the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mobilevis.benchmarks.latency.worker.job import Job
from mobilevis.benchmarks.latency.worker.journal import Journal
from mobilevis.benchmarks.latency.worker.loading import describe, load
from mobilevis.benchmarks.latency.worker.memory_pass import resident_mib
from mobilevis.benchmarks.latency.worker.workloads import frames_obstacle, make_segmenter
from mobilevis.runtime.errors import UserError

READINGS = 200
FIRST_READING = 100  # frames


def run(job: Job, journal: Journal) -> None:
    """Stream each target's frames, as many as the protocol's runs; journal readings at even distances.

    Raises:
        UserError: whole frames cannot be streamed here.
    """
    frames = job.protocol.min_runs
    for index, target in enumerate(job.targets):
        obstacle = frames_obstacle(target.is_baseline, job.source)
        loaded = load(target, job.threads, job.verify)
        if obstacle or loaded.artefact is None or job.source is None:
            raise UserError(f"no frames can be streamed: {obstacle}", target.name)
        from mobilevis.benchmarks.latency.worker.endless_clip import EndlessClip  # needs OpenCV

        segmenter = make_segmenter(loaded.artefact, job.driver_options, job.threads)
        journal.write("loaded", target=index, **describe(loaded))
        due = {FIRST_READING, *(round(frames * part / READINGS) for part in range(1, READINGS + 1))}
        for count, _ in enumerate(segmenter.stream(EndlessClip(job.source, frames)), 1):
            if count in due:
                journal.write("held", target=index, frames=count, **read_holdings())


def read_holdings() -> dict[str, Any]:
    """What this process holds now: resident MiB, open file descriptors, threads."""
    resident, _ = resident_mib(Path("/proc/self/status").read_text())
    # Listing the descriptors opens one.
    descriptors, threads = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("fd", "task"))  # noqa: PTH208
    return {"resident_mib": resident, "descriptors": descriptors - 1, "threads": threads}
