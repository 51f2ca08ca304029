"""The result of a run: the JSON that everything else is derived from, version ``mobilevis.latency/1``.

``docs/latency.md`` describes every field. Times are milliseconds unless a name says otherwise; ``at_s`` are
seconds since the worker began. What was not measured is absent or null, with the reason under
``not_measured``; nothing is filled in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional, TypedDict, Union

import numpy as np

from mobilevis.benchmarks.latency.report.kinds import check_kinds
from mobilevis.benchmarks.latency.report.stats import Samples, Summary, summarise
from mobilevis.benchmarks.latency.worker.environment import Snapshot
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.reading import read_bounded

SCHEMA = "mobilevis.latency/1"
MAX_JSON_BYTES = 1 << 28


@dataclass(frozen=True)
class Series:
    """All samples of one workload of one artefact, by column.

    Attributes:
        at_s: when each step began; frames that were answered at once have the same, and are one run.
        is_keyframe: per step; null where entries were timed.
        instances: found in each frame; null likewise.
        milliseconds: stage → per step; null where a step has no such stage.
        warm_up: milliseconds of each step before the measurement.
        settled: whether the warm-up's median settled; None when it did not end.
        complete: whether the protocol's runs and seconds were both reached; None when interrupted.
        others_on_pinned_cores: cores that other processes used of the pinned ones; None where it is hidden.
        others_anywhere: cores that other processes used of all.
        users: the busiest other processes, ``{"name", "cores"}``.
    """

    at_s: Sequence[float] = ()
    is_keyframe: Sequence[Optional[bool]] = ()
    instances: Sequence[Optional[int]] = ()
    milliseconds: Mapping[str, Sequence[Optional[float]]] = field(default_factory=dict)
    warm_up: Sequence[float] = ()
    settled: Optional[bool] = None
    complete: Optional[bool] = None
    others_on_pinned_cores: Optional[float] = None
    others_anywhere: Optional[float] = None
    users: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        columns = [self.is_keyframe, self.instances, *self.milliseconds.values()]
        if any(len(column) != len(self.at_s) for column in columns):
            raise ValueError("the columns of a series differ in length")
        for stage, column in {"at_s": self.at_s, **self.milliseconds}.items():
            if not all(value is None or 0 <= value < float("inf") for value in column):
                raise ValueError(f"a value of {stage} is not finite and non-negative")

    def stage(self, name: str, keyframes: Optional[bool] = None) -> Samples:
        """The samples of a stage, (n,), of keyframes or other frames alone, or of all (None)."""
        return np.asarray([value for _, value in self._samples(name, keyframes)], dtype=np.float64)

    def runs(self, name: str, keyframes: Optional[bool] = None) -> int:
        """How many measurements the samples of a stage come from."""
        return len({at_s for at_s, _ in self._samples(name, keyframes)})

    def summary(self, name: str, keyframes: Optional[bool] = None) -> Optional[Summary]:
        """Statistics of a stage; None where it has no sample."""
        samples = self.stage(name, keyframes)
        return summarise(samples, self.runs(name, keyframes)) if samples.size else None

    def _samples(self, name: str, keyframes: Optional[bool]) -> list[tuple[float, float]]:
        return [
            (at_s, value)
            for at_s, value, is_keyframe in zip(self.at_s, self.milliseconds.get(name, ()), self.is_keyframe)
            if value is not None and (keyframes is None or bool(is_keyframe) == keyframes)
        ]


class Reading(TypedDict):
    """Of the device during a run."""

    at_s: float
    temperatures_c: Mapping[str, float]  # by thermal zone
    frequencies_khz: Mapping[str, float]  # by pinned CPU


class State(TypedDict):
    """Of the device before or after a run."""

    at_s: float
    snapshot: Mapping[str, Any]
    probe_ms: float  # of a fixed piece of work


@dataclass(frozen=True)
class ArtefactResult:
    """What was measured of one artefact or plain model.

    Attributes:
        name: file or folder name.
        sha256: of the file or folder that was pushed.
        is_baseline: a plain model, without metadata and not verified.
        facts: engine, threads, model, driver, precision, input size, checkpoint, as the worker found them.
        load_ms: loading on the engine.
        first_ms: entry → its first run.
        parity: differences from the stored vectors, each output; None for a plain model.
        workloads: ``entries`` and ``frames`` → samples.
        not_measured: what → why not.
        before, after: the device's state around it: ``at_s``, ``snapshot``, ``probe_ms``.
        readings: temperatures and pinned frequencies during the run.
        memory, profile: of their own passes; None where not asked for.
        reasons: why the result is not valid; empty when it is.
    """

    name: str
    sha256: str
    is_baseline: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    load_ms: Optional[float] = None
    first_ms: Mapping[str, float] = field(default_factory=dict)
    parity: Optional[Sequence[Mapping[str, Any]]] = None
    workloads: Mapping[str, Series] = field(default_factory=dict)
    not_measured: Mapping[str, str] = field(default_factory=dict)
    before: Optional[Mapping[str, Any]] = None
    after: Optional[Mapping[str, Any]] = None
    readings: Sequence[Mapping[str, Any]] = ()
    memory: Optional[Mapping[str, Any]] = None
    profile: Optional[Mapping[str, Any]] = None
    reasons: Sequence[str] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing speaks against the numbers."""
        return not self.reasons


@dataclass(frozen=True)
class Setup:
    """How a run was set up: what two results must share to be compared.

    Attributes:
        verified: whether the artefacts' SHA-256 were compared with the digests in their metadata.
    """

    cpus_asked: str
    cpus: Sequence[int]
    threads: int
    protocol: Mapping[str, Any]
    interleaved: bool = False
    driver_options: Mapping[str, Any] = field(default_factory=dict)
    source: Optional[Mapping[str, str]] = None
    verified: bool = True


@dataclass(frozen=True)
class LatencyReport:
    """One run of the harness.

    Attributes:
        created: UTC, ISO 8601.
        harness: version of mobilevis and SHA-256 of the worker.
        command: as typed.
        device: address, machine, kernel, model, clusters, versions of what is installed there.
        cpus_allowed: the mask as the kernel gave it back; None when the worker did not get so far.
        error: why the run ended early, one line; None when it did not.
    """

    created: str
    harness: Mapping[str, str]
    command: Sequence[str]
    device: Mapping[str, Any]
    setup: Setup
    artefacts: Sequence[ArtefactResult]
    cpus_allowed: Optional[Sequence[int]] = None
    error: Optional[str] = None

    @property
    def valid(self) -> bool:
        """Whether the run ended well and every artefact's result is valid."""
        return self.error is None and all(artefact.valid for artefact in self.artefacts)

    def to_json(self) -> str:
        """The report with its derived figures (``valid``, ``summary``), which reading it computes again."""
        raw = asdict(self)
        for item, artefact in zip(raw["artefacts"], self.artefacts):
            item["valid"] = artefact.valid and self.error is None
            item["summary"] = {kind: _summaries(kind, series) for kind, series in artefact.workloads.items()}
        return json.dumps({"schema": SCHEMA, "valid": self.valid, **raw}, allow_nan=False)


def summary_groups(kind: str) -> dict[str, Optional[bool]]:
    """What the steps of a workload are summed up by: name → ``keyframes`` of ``Series.stage``."""
    return {"all": None} if kind == "entries" else {"all": None, "keyframes": True, "others": False}


def _summaries(kind: str, series: Series) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group, keyframes in summary_groups(kind).items():
        summaries = {stage: series.summary(stage, keyframes) for stage in series.milliseconds}
        found[group] = {stage: asdict(summary) for stage, summary in summaries.items() if summary}
    return found


def load_report(path: Union[str, Path]) -> LatencyReport:
    """Read a report.

    Raises:
        UserError: the file is not a report of this schema.
    """
    path = Path(path)
    fix = "give a JSON file that `mobilevis bench latency --json` wrote"
    try:
        return parse_report(json.loads(read_bounded(path, MAX_JSON_BYTES, fix)))
    except (RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"not a latency report: {error}", path, fix) from error


def parse_report(raw: Any) -> LatencyReport:
    """The report of a decoded JSON object; derived figures in it are ignored.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is no such object.
    """
    if raw["schema"] != SCHEMA:
        raise ValueError(f"schema {raw['schema']}, this version reads {SCHEMA}")
    fields = {name: value for name, value in raw.items() if name not in ("schema", "valid")}
    artefacts = [_parse_artefact(item) for item in raw["artefacts"]]
    setup = Setup(**check_kinds(Setup, raw["setup"]))
    parsed = {**fields, "setup": setup, "artefacts": artefacts}
    return LatencyReport(**check_kinds(LatencyReport, parsed))


def _parse_artefact(raw: Mapping[str, Any]) -> ArtefactResult:
    fields = {name: value for name, value in raw.items() if name not in ("valid", "summary")}
    series = {kind: Series(**check_kinds(Series, item)) for kind, item in raw["workloads"].items()}
    for state in (fields.get("before"), fields.get("after")):
        if state is not None:
            check_state(state)
    for reading in fields.get("readings", ()):
        check_kinds(Reading, reading)
    return ArtefactResult(**check_kinds(ArtefactResult, {**fields, "workloads": series}))


def check_state(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse what is no ``State`` of a device.

    Raises:
        ValueError, KeyError, TypeError: a fact is missing, of another type, or no duration.
    """
    if not 0 < check_kinds(State, raw)["probe_ms"] < float("inf"):
        raise ValueError(f"probe_ms is {raw['probe_ms']}")
    snapshot = raw["snapshot"]
    check_kinds(Snapshot, {name: snapshot[name] for name in ("temperatures_c", "thermal_status")})
    return raw
