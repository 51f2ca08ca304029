"""What the host tells the worker: one JSON file, validated on both sides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from mobilevis.benchmarks.latency.worker.protocol import Protocol

JOURNAL = "journal.jsonl"  # what the worker writes, beside the job
PASSES = ("timing", "memory", "profile", "soak")
TOTAL = {"entries": "total", "frames": "frame"}  # kind of workload → the stage that sums up a step


@dataclass(frozen=True)
class Target:
    """One artefact or plain model.

    Attributes:
        name: what reports call it.
        path: on the device, from the job's own folder.
        engine: engine name; None takes the format's own.
        is_baseline: a plain .onnx, .tflite or .pte without mobilevis metadata.
    """

    name: str
    path: str
    engine: Optional[str] = None
    is_baseline: bool = False


@dataclass(frozen=True)
class Job:
    """One pass of the worker over some targets.

    Attributes:
        purpose: one of ``PASSES``; they never share a process.
        cpus: the CPUs that the process may use, applied before an engine is imported.
        source: clip in that folder; None times the entries only.
        driver_options: for ``VideoSegmenter``, such as ``keyframe_interval``.
        interleave: step through the targets A B A B instead of one after the other.
        verify: compare the files' SHA-256 with the digests in the artefacts' metadata.
    """

    targets: tuple[Target, ...]
    purpose: str
    cpus: tuple[int, ...]
    threads: int
    protocol: Protocol
    source: Optional[str] = None
    driver_options: Mapping[str, Any] = field(default_factory=dict)
    interleave: bool = False
    verify: bool = True

    def __post_init__(self) -> None:
        if self.purpose not in PASSES:
            raise ValueError(f"pass {self.purpose} is not one of {', '.join(PASSES)}")
        if not self.targets:
            raise ValueError("a job has at least one target")
        if not 1 <= self.threads <= len(self.cpus):
            raise ValueError(f"{self.threads} threads on {len(self.cpus)} CPUs")

    def to_json(self) -> str:
        """The job as one JSON object."""
        return json.dumps(asdict(self))


def parse_job(text: str) -> Job:
    """The job of a JSON text.

    Raises:
        ValueError, KeyError, TypeError: the text is not a job of this version.
    """
    raw: dict[str, Any] = json.loads(text)
    targets = tuple(Target(**target) for target in raw["targets"])
    return Job(
        **{**raw, "targets": targets, "cpus": tuple(raw["cpus"]), "protocol": Protocol(**raw["protocol"])}
    )
