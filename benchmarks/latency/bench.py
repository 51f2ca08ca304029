"""A run of the harness from the host's side: resolve the cores, run the passes, judge, and report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional

from mobilevis.benchmarks.latency.report.assemble import Event, assemble, first_event
from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, Setup
from mobilevis.benchmarks.latency.report.validity import judge
from mobilevis.benchmarks.latency.session import OnEvent, Outcome, Worker, run_job
from mobilevis.benchmarks.latency.transports.base import Transport
from mobilevis.benchmarks.latency.worker.cpus import TOPOLOGY_GLOBS, Topology, parse_topology, resolve_cpus
from mobilevis.benchmarks.latency.worker.job import Job, Target
from mobilevis.benchmarks.latency.worker.protocol import Protocol
from mobilevis.benchmarks.latency.workers import choose_worker
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import require_text, sha256_of


@dataclass(frozen=True)
class Plan:
    """What to measure, and how.

    Attributes:
        artefacts: mobilevis artefacts.
        baselines: plain .onnx, .tflite or .pte files.
        engine: for the artefacts; None takes each format's own.
        cpus: name, mask or list, resolved on the device.
        source: clip for whole frames; None times the entries only.
        driver_options: for ``VideoSegmenter``.
        interleave: step through all of them A B A B.
        memory, profile: add these passes.
        verify: compare the artefacts' SHA-256 with the digests in their metadata.
    """

    artefacts: Sequence[Path]
    protocol: Protocol
    baselines: Sequence[Path] = ()
    engine: Optional[str] = None
    cpus: str = "all"
    threads: int = 1
    source: Optional[Path] = None
    driver_options: Mapping[str, Any] = field(default_factory=dict)
    interleave: bool = False
    memory: bool = False
    profile: bool = False
    verify: bool = True
    command: Sequence[str] = ()

    def __post_init__(self) -> None:
        for path in (*self.artefacts, *self.baselines, *([self.source] if self.source else [])):
            if not path.exists():
                raise UserError("there is no such file or folder", path, "check the path")
            require_text(path, "the input")
        if not self.artefacts and not self.baselines:
            raise UserError("there is nothing to measure", fix="give an artefact or --baseline")
        if self.threads < 1:
            raise UserError(f"{self.threads} threads", fix="give 1 or more")


def run_plan(
    transport: Transport, plan: Plan, on_event: OnEvent = lambda event: None
) -> tuple[LatencyReport, Optional[UserError]]:
    """Measure a plan on a device.

    Returns:
        The report, and why it ended early, if it did: it then holds what was measured until then.

    Raises:
        UserError: nothing could be started: the device is out of reach, or has no such cores.
    """
    with open_runner(transport, plan, on_event) as runner:
        outcome = runner.run("timing", range(len(runner.targets)))
        results = assemble(outcome.events, runner.identities)
        device = first_event(outcome.events, "device")
        results = [replace(result, reasons=judge(result, plan.protocol, device)) for result in results]
        if outcome.error is None:
            results, outcome.error = runner.add_passes(results)
        return runner.report(outcome, results), outcome.error


@contextmanager
def open_runner(transport: Transport, plan: Plan, on_event: OnEvent) -> Iterator[Runner]:
    """What runs the passes of a plan, with the worker's program in a file that lives as long.

    Raises:
        UserError: the device is out of reach, or has no such cores.
    """
    topology = parse_topology(transport.read(TOPOLOGY_GLOBS))
    with TemporaryDirectory() as folder:
        worker = choose_worker(transport, Path(folder))
        yield Runner(transport, plan, topology, worker, on_event)


class Runner:
    """Runs passes of one plan.

    Attributes:
        targets: as the jobs name them.
        identities: (name, SHA-256, whether it is a baseline) of each.
        harness: version of mobilevis and SHA-256 of the worker.
    """

    def __init__(
        self, transport: Transport, plan: Plan, topology: Topology, worker: Worker, on_event: OnEvent
    ) -> None:
        self._transport, self._plan, self._topology = transport, plan, topology
        self._cpus = resolve_cpus(plan.cpus, topology, plan.threads)
        self._worker, self._on_event = worker, on_event
        self.harness = {"version": version("mobilevis"), "worker_sha256": sha256_of(worker.file)}
        self._paths = [*plan.artefacts, *plan.baselines]
        self.targets = [
            Target(
                name=name,
                path=f"{index}-{path.name}",
                engine=plan.engine if index < len(plan.artefacts) else None,
                is_baseline=index >= len(plan.artefacts),
            )
            for index, (name, path) in enumerate(zip(_unique_names(self._paths), self._paths))
        ]
        self.identities = [
            (target.name, sha256_of(path), target.is_baseline)
            for target, path in zip(self.targets, self._paths)
        ]

    def run(self, purpose: str, indices: Sequence[int]) -> Outcome:
        """One pass over some targets."""
        plan = self._plan
        uploads = {self.targets[index].path: self._paths[index] for index in indices}
        source = None
        if plan.source:
            source, uploads[source] = self._worker.adapt_source(plan.source)
        job = Job(
            targets=tuple(self.targets[index] for index in indices),
            purpose=purpose,
            cpus=self._cpus,
            threads=plan.threads,
            protocol=plan.protocol,
            source=source,
            driver_options=plan.driver_options,
            interleave=plan.interleave,
            verify=plan.verify,
        )
        return run_job(self._transport, job, self._worker, uploads, self._on_event)

    def add_passes(
        self, results: Sequence[ArtefactResult]
    ) -> tuple[list[ArtefactResult], Optional[UserError]]:
        """Add the memory and profile passes, each target in processes of its own."""
        wanted = [name for name in ("memory", "profile") if getattr(self._plan, name)]
        complete = list(results)
        for purpose in wanted:
            for index, result in enumerate(tuple(complete)):
                outcome = self.run(purpose, [index])
                found: dict[str, Any] = {purpose: _facts(first_event(outcome.events, purpose)) or None}
                complete[index] = replace(result, **found)
                if outcome.error is not None:
                    return complete, outcome.error
        return complete, None

    def report(self, outcome: Outcome, results: Sequence[ArtefactResult]) -> LatencyReport:
        """The report of a timing pass."""
        plan = self._plan
        start = first_event(outcome.events, "start")
        source = {"name": plan.source.name, "sha256": sha256_of(plan.source)} if plan.source else None
        return LatencyReport(
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            harness=self.harness,
            command=list(plan.command),
            device={
                "address": self._transport.address,
                "clusters": [asdict(cluster) for cluster in self._topology.clusters],
                "versions": start.get("versions", {}),
                **_facts(first_event(outcome.events, "device")),
            },
            setup=Setup(
                cpus_asked=plan.cpus,
                cpus=list(self._cpus),
                threads=plan.threads,
                protocol=plan.protocol.to_dict(),
                interleaved=plan.interleave,
                driver_options=dict(plan.driver_options),
                verified=plan.verify,
                source=source,
            ),
            artefacts=list(results),
            cpus_allowed=start.get("cpus_allowed"),
            error=None if outcome.error is None else str(outcome.error),
        )


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """What reports call the artefacts: their names, where two are alike with the folder, or a number."""
    names = [path.name for path in paths]
    full = [f"{path.resolve().parent.name}/{path.name}" for path in paths]
    unique = [name if names.count(name) == 1 else longer for name, longer in zip(names, full)]
    return [
        name if unique.count(name) == 1 else f"{name} #{unique[: i + 1].count(name)}"
        for i, name in enumerate(unique)
    ]


def _facts(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("event", "target")}
