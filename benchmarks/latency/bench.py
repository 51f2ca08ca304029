"""A run of the harness from the host's side: resolve the cores, run the passes, judge, and report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional

from mobilevis.benchmarks.latency.bundle import build_worker
from mobilevis.benchmarks.latency.report.assemble import Event, assemble, first_event
from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, Setup
from mobilevis.benchmarks.latency.report.validity import judge
from mobilevis.benchmarks.latency.session import OnEvent, Outcome, Worker, python_worker, run_job
from mobilevis.benchmarks.latency.transports.base import Transport
from mobilevis.benchmarks.latency.worker.cpus import TOPOLOGY_GLOBS, Topology, parse_topology, resolve_cpus
from mobilevis.benchmarks.latency.worker.job import Job, Target
from mobilevis.benchmarks.latency.worker.protocol import Protocol
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import sha256_of


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
    command: Sequence[str] = ()

    def __post_init__(self) -> None:
        for path in (*self.artefacts, *self.baselines, *([self.source] if self.source else [])):
            if not path.exists():
                raise UserError("there is no such file or folder", path, "check the path")
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
    topology = parse_topology(transport.read(TOPOLOGY_GLOBS))
    cpus = resolve_cpus(plan.cpus, topology, plan.threads)
    with TemporaryDirectory() as folder:
        worker = build_worker(Path(folder, "worker.pyz"))
        runner = _Runner(transport, plan, cpus, python_worker(worker), on_event)
        outcome = runner.run("timing", range(len(runner.targets)))
        results = assemble(outcome.events, runner.identities)
        device = first_event(outcome.events, "device")
        results = [replace(result, reasons=judge(result, plan.protocol, device)) for result in results]
        if outcome.error is None:
            results, outcome.error = runner.add_passes(results)
        harness = {
            "version": version("mobilevis"),
            "worker_sha256": hashlib.sha256(worker.read_bytes()).hexdigest(),
        }
    return _report(transport, plan, topology, cpus, harness, outcome, results), outcome.error


class _Runner:
    """Runs passes of one plan."""

    def __init__(
        self, transport: Transport, plan: Plan, cpus: Sequence[int], worker: Worker, on_event: OnEvent
    ) -> None:
        self._transport, self._plan, self._cpus = transport, plan, tuple(cpus)
        self._worker, self._on_event = worker, on_event
        self._paths = [*plan.artefacts, *plan.baselines]
        names = [path.name for path in self._paths]
        self.targets = [
            Target(
                name=path.name
                if names.count(path.name) == 1
                else f"{path.resolve().parent.name}/{path.name}",
                path=f"{index}-{path.name}",
                engine=plan.engine if index < len(plan.artefacts) else None,
                is_baseline=index >= len(plan.artefacts),
            )
            for index, path in enumerate(self._paths)
        ]
        self.identities = [
            (target.name, sha256_of(path), target.is_baseline)
            for target, path in zip(self.targets, self._paths)
        ]

    def run(self, purpose: str, indices: Sequence[int]) -> Outcome:
        """One pass over some targets."""
        plan = self._plan
        uploads = {self.targets[index].path: self._paths[index] for index in indices}
        source = f"source{plan.source.suffix}" if plan.source else None
        if plan.source and source:
            uploads[source] = plan.source
        job = Job(
            targets=tuple(self.targets[index] for index in indices),
            purpose=purpose,
            cpus=self._cpus,
            threads=plan.threads,
            protocol=plan.protocol,
            source=source,
            driver_options=plan.driver_options,
            interleave=plan.interleave,
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


def _facts(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("event", "target")}


def _report(
    transport: Transport,
    plan: Plan,
    topology: Topology,
    cpus: Sequence[int],
    harness: Mapping[str, str],
    outcome: Outcome,
    results: Sequence[ArtefactResult],
) -> LatencyReport:
    start = first_event(outcome.events, "start")
    source = {"name": plan.source.name, "sha256": sha256_of(plan.source)} if plan.source else None
    return LatencyReport(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        harness=harness,
        command=list(plan.command),
        device={
            "address": transport.address,
            "clusters": [asdict(cluster) for cluster in topology.clusters],
            "versions": start.get("versions", {}),
            **_facts(first_event(outcome.events, "device")),
        },
        setup=Setup(
            cpus_asked=plan.cpus,
            cpus=list(cpus),
            threads=plan.threads,
            protocol=plan.protocol.to_dict(),
            interleaved=plan.interleave,
            driver_options=dict(plan.driver_options),
            source=source,
        ),
        artefacts=list(results),
        cpus_allowed=start.get("cpus_allowed"),
        error=None if outcome.error is None else str(outcome.error),
    )
