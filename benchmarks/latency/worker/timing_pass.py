"""The timing pass: nothing else runs in it, no profiler and no memory sampling."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from mobilevis.benchmarks.latency.worker.job import Job
from mobilevis.benchmarks.latency.worker.journal import Journal
from mobilevis.benchmarks.latency.worker.loading import Loaded, describe, first_runs, load, verify
from mobilevis.benchmarks.latency.worker.measure import measure, warm_up
from mobilevis.benchmarks.latency.worker.observer import (
    UsageMeter,
    identify,
    probe_clock,
    take_reading,
    take_snapshot,
)
from mobilevis.benchmarks.latency.worker.workloads import (
    EntriesWorkload,
    ForwardWorkload,
    Recording,
    Workload,
    frames_obstacle,
    make_frames,
)

FLUSH_SECONDS = 1.0


def run(job: Job, journal: Journal) -> None:
    """Time the job's targets, all together when interleaved, else one after the other."""
    origin = perf_counter()
    journal.write("device", **identify())
    everything = tuple(range(len(job.targets)))
    for group in [everything] if job.interleave else [(index,) for index in everything]:
        _Group(job, group, journal, origin).run()


class _Group:
    """Targets that are measured together."""

    def __init__(self, job: Job, indices: Sequence[int], journal: Journal, origin: float) -> None:
        self._job = job
        self._indices = indices
        self._journal = journal
        self._origin = origin

    def run(self) -> None:
        self._observe("before")
        loaded = {index: self._prepare(index) for index in self._indices}
        frames = self._frames(loaded)  # before minutes of timing: an option may not be the driver's
        self._time("entries", {i: EntriesWorkload(one.runner.run, one.inputs) for i, one in loaded.items()})
        self._time("frames", frames)
        self._observe("after")

    def _observe(self, when: str) -> None:
        self._journal.write(
            when,
            targets=self._indices,
            at_s=perf_counter() - self._origin,
            snapshot=take_snapshot().to_dict(),
            probe_ms=probe_clock(),
        )

    def _prepare(self, index: int) -> Loaded:
        """Load, run each entry once, verify."""
        loaded = load(self._job.targets[index], self._job.threads, self._job.verify)
        first_ms = first_runs(loaded)
        parity = verify(loaded)
        self._journal.write(
            "loaded",
            target=index,
            load_ms=loaded.load_ms,
            first_ms=first_ms,
            parity=parity,
            **describe(loaded),
        )
        return loaded

    def _frames(self, loaded: dict[int, Loaded]) -> dict[int, Workload]:
        job = self._job
        workloads: dict[int, Workload] = {}
        for index, one in loaded.items():
            source = job.source
            obstacle = frames_obstacle(one.artefact is None, source)
            if one.artefact is not None and source is not None and not obstacle:
                workloads[index] = make_frames(one.artefact, job.driver_options, source, job.threads)
            elif job.interleave and one.artefact is None and workloads:  # beside our frames: ours come first
                workloads[index] = ForwardWorkload(one.runner.run, one.inputs)
            else:
                self._journal.write("not_measured", target=index, kind="frames", reason=obstacle)
        return workloads

    def _time(self, kind: str, workloads: dict[int, Any]) -> None:
        """Warm up and measure workloads of one kind, journalling the samples every second."""
        if not workloads:
            return
        journal, job = self._journal, self._job
        for index, log in zip(workloads, warm_up(list(workloads.values()), job.protocol)):
            journal.write(
                "warm_up", target=index, kind=kind, milliseconds=log.milliseconds, settled=log.settled
            )
        for workload in workloads.values():
            workload.restart()
        recordings = [Recording() for _ in workloads]
        last_flush = 0.0

        def flush() -> None:
            for index, recording in zip(workloads, recordings):
                journal.write("samples", target=index, kind=kind, **recording.take())

        def on_round(elapsed: float) -> None:
            nonlocal last_flush
            if elapsed - last_flush >= FLUSH_SECONDS:
                last_flush = elapsed
                flush()
                self._read()

        self._read()
        meter = UsageMeter(job.cpus)
        try:
            rounds, seconds = measure(
                list(workloads.values()), recordings, job.protocol, on_round, self._origin
            )
        finally:
            flush()
        journal.write(
            "measured",
            targets=list(workloads),
            kind=kind,
            rounds=rounds,
            seconds=seconds,
            complete=job.protocol.is_complete(rounds, seconds),
            **meter.stop(),
        )
        self._read()

    def _read(self) -> None:
        at_s = perf_counter() - self._origin
        self._journal.write("reading", targets=self._indices, at_s=at_s, **take_reading(self._job.cpus))
