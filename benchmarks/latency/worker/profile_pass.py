"""The profile pass: each operator's milliseconds by the engine's own profiler. Never printed as a latency."""

from __future__ import annotations

from pathlib import Path

from mobilevis.benchmarks.latency.worker.engines import NotAvailableError, find_function
from mobilevis.benchmarks.latency.worker.job import Job
from mobilevis.benchmarks.latency.worker.journal import Journal
from mobilevis.benchmarks.latency.worker.loading import load


def run(job: Job, journal: Journal) -> None:
    """Profile each target: entry → operators with type, name and median milliseconds."""
    for index, target in enumerate(job.targets):
        loaded = load(target, job.threads, job.verify)
        profile = find_function(loaded.runner.engine, "profile")
        if profile is None:
            journal.write("profile", target=index, not_available=f"{loaded.runner.engine} has no profiler")
            continue
        try:
            entries = {
                entry: profile(Path(target.path), entry, inputs, job.threads)
                for entry, inputs in loaded.inputs.items()
            }
            journal.write("profile", target=index, entries=entries)
        except NotAvailableError as error:
            journal.write("profile", target=index, not_available=str(error))
