"""The tables of a report, for the terminal and the page alike: at most 100 columns of characters wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Optional

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, Series
from mobilevis.benchmarks.latency.report.stats import Summary
from mobilevis.benchmarks.latency.worker.cpus import format_cpus
from mobilevis.benchmarks.latency.worker.job import TOTAL

NOT_MEASURED = "not measured"
NOT_VALID = "NOT VALID"
TOP_OPERATORS = 10
SIDE_BY_SIDE = 4  # artefacts in one table of stages, two columns each
DIGITS = 4  # significant ones: the intervals are wider than what more would say


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: what it holds, with the unit.
        header: names of the columns.
        rows: cells; a short row is filled up.
        words: how many of the first columns hold words, not numbers.
        note: what a reader should know; "" for nothing.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    note: str = ""

    @property
    def filled_rows(self) -> list[list[str]]:
        """The rows, each as long as the header."""
        return [[*row, *[""] * (len(self.header) - len(row))] for row in self.rows]


def report_tables(report: LatencyReport) -> list[Table]:
    """Everything that was measured, but for the ratios: what there is of it, the answer first."""
    tables = [
        _summary_table(report),
        _frames_table(report),
        _entries_table(report),
        *_stages_tables(report),
        _memory_table(report),
        *(_profile_table(artefact) for artefact in report.artefacts),
    ]
    return [table for table in tables if table is not None and table.rows]


def describe_setup(report: LatencyReport) -> list[tuple[str, str]]:
    """Which device, cores, threads, protocol and clip: what → words."""
    device, setup = report.device, report.setup
    model = ", ".join(str(device[key]) for key in ("model", "cpu", "machine", "kernel") if device.get(key))
    kinds = [
        f"{format_cpus(cluster['cpus'])}"
        + (f" at {cluster['max_khz'] / 1e6:.2f} GHz" if cluster["max_khz"] else "")
        for cluster in device["clusters"]
    ]
    allowed = "not read back" if report.cpus_allowed is None else format_cpus(report.cpus_allowed)
    protocol = setup.protocol
    options = ", ".join(f"{key} {value}" for key, value in setup.driver_options.items())
    source = setup.source["name"] if setup.source else ""
    lines = [
        ("device", f"{model or 'not known'}; CPUs {'; '.join(kinds)}"),
        ("cores", f"{setup.cpus_asked}, {format_cpus(setup.cpus)}, allowed {allowed}"),
        ("threads", str(setup.threads)),
        (
            "protocol",
            f"{protocol['name']}, ≥ {protocol['min_runs']} runs and ≥ {protocol['min_seconds']:g} s"
            + (", interleaved" if setup.interleaved else ""),
        ),
        ("clip", f"{source}; {options or 'the driver’s own options'}" if source else ""),
        ("run", f"{report.created}, mobilevis {report.harness['version']}"),
        ("verified", "" if setup.verified else "no: the artefacts' SHA-256 were not compared"),
    ]
    return [(what, words) for what, words in lines if words]


def artefact_keys(report: LatencyReport) -> list[str]:
    """What tables call the artefacts, A, B, C …, with a star where a result is not valid."""
    return [f"{letters(i)}{'' if one.valid else '*'}" for i, one in enumerate(report.artefacts)]


def name_keys(report: LatencyReport) -> dict[str, str]:
    """Artefact's name → key."""
    return {artefact.name: key for key, artefact in _keyed(report)}


def letters(index: int) -> str:
    """A, B … Z, AA, AB …"""
    return (letters(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


def group_reasons(report: LatencyReport) -> list[tuple[str, str]]:
    """Why not to believe the results, each reason once: (keys of the artefacts, reason)."""
    concerned: dict[str, list[str]] = {}
    for key, artefact in zip(artefact_keys(report), report.artefacts):
        for reason in artefact.reasons:
            concerned.setdefault(reason, []).append(key.rstrip("*"))
    early = [("run", f"ended early: {report.error}")] if report.error else []
    return early + [(" ".join(keys), reason) for reason, keys in concerned.items()]


def _keyed(report: LatencyReport) -> list[tuple[str, ArtefactResult]]:
    return list(zip(artefact_keys(report), report.artefacts))


def _summary_table(report: LatencyReport) -> Table:
    rows = []
    for key, artefact in _keyed(report):
        frames, total = artefact.workloads.get("frames"), artefact.workloads.get("entries")
        frame = frames.summary(TOTAL["frames"]) if frames and not artefact.is_baseline else None
        entries = total.summary(TOTAL["entries"]) if total else None
        verdict = "valid" if artefact.valid and report.error is None else NOT_VALID
        rows.append(
            [
                key,
                artefact.name + (" (plain)" if artefact.is_baseline else ""),
                str(artefact.facts.get("engine", "")),
                verdict,
                format_ms(artefact.load_ms),
                format_ms(entries.p50 if entries else None),
                format_ms(frame.mean if frame else None),
                f"{1000 / frame.mean:.1f}" if frame and frame.mean else "",
            ]
        )
    reasons = {reason for artefact in report.artefacts for reason in artefact.not_measured.values()}
    missing = f" Frames {NOT_MEASURED}: {'; '.join(sorted(reasons))}." if reasons else ""
    note = "total: all entries, median. frame: mean of key and other frames; fps follows from it." + missing
    header = ["", "artefact", "engine", "verdict", "load", "total", "frame", "fps"]
    return Table("Summary, ms", header, rows, words=4, note=note)


DISTRIBUTION = ("runs", "p50 [95 %]", "mean", "std", "min", "p90", "p95", "p99", "max")


def _distribution(summary: Summary) -> list[str]:
    return [
        str(summary.runs),
        f"{format_ms(summary.p50)} [{format_ms(summary.median_low)}, {format_ms(summary.median_high)}]",
        *(format_ms(getattr(summary, name)) for name in ("mean", "std", "min", "p90", "p95", "p99", "max")),
    ]


def _entries_table(report: LatencyReport) -> Table:
    """Each entry and their sum: first run, and the distribution."""
    rows = []
    for key, artefact in _keyed(report):
        series = artefact.workloads.get("entries", Series())
        for stage in series.milliseconds:
            summary = series.summary(stage)
            if summary is not None:
                rows.append([key, stage, format_ms(artefact.first_ms.get(stage)), *_distribution(summary)])
    return Table("Entries, ms", ["", "entry", "first", *DISTRIBUTION], rows, words=2)


def frame_groups(series: Series) -> dict[str, Optional[bool]]:
    """What whole frames are told apart by: label → ``keyframes`` of ``Series.stage``."""
    if all(is_keyframe is None for is_keyframe in series.is_keyframe):
        return {"forward": None}  # a plain model, which has no keyframes
    return {"keyframe": True, "other": False}


def _frames_table(report: LatencyReport) -> Table:
    """Whole frames: keyframes, other frames, and the amortised mean, whose percentiles mix two modes."""
    rows = []
    for key, artefact in _keyed(report):
        series = artefact.workloads.get("frames", Series())
        groups = frame_groups(series)
        for label, keyframes in groups.items():
            summary = series.summary(TOTAL["frames"], keyframes)
            if summary is not None:
                rows.append([key, label, *_distribution(summary)])
        both = series.summary(TOTAL["frames"])
        if both is not None and len(groups) > 1:
            rows.append([key, "amortised", str(both.runs), "", format_ms(both.mean)])
    note = "From an RGB frame in memory to instances; reading the clip is not in them, read below shows it."
    return Table("Whole frames, ms", ["", "frames", *DISTRIBUTION], rows, words=2, note=note)


def _stages_tables(report: LatencyReport) -> list[Table]:
    """Medians of every stage, of keyframes and of other frames, some artefacts side by side."""
    measured = [
        (key, artefact.workloads["frames"])
        for key, artefact in _keyed(report)
        if "frames" in artefact.workloads and not artefact.is_baseline
    ]
    tables = []
    for start in range(0, len(measured), SIDE_BY_SIDE):
        shown = measured[start : start + SIDE_BY_SIDE]
        columns = [(key, label, series) for key, series in shown for label in ("key", "other")]
        stages = dict.fromkeys(stage for _, series in shown for stage in series.milliseconds)
        rows = [
            [stage, *(_median(series, stage, label == "key") for _, label, series in columns)]
            for stage in stages
        ]
        header = ["stage", *(f"{key} {label}" for key, label, _ in columns)]
        tables.append(Table("Stages of a frame, median ms", header, rows))
    return tables


def _median(series: Series, stage: str, keyframes: bool) -> str:
    summary = series.summary(stage, keyframes)
    return format_ms(summary.p50) if summary else "–"


def _memory_table(report: LatencyReport) -> Table:
    columns = ("before_mib", "loaded_mib", "peak_mib")
    rows = [
        [key, *(f"{artefact.memory[column]:.0f}" for column in columns)]
        for key, artefact in _keyed(report)
        if artefact.memory
    ]
    return Table("Resident memory, MiB (a pass of its own)", ["", "before loading", "loaded", "peak"], rows)


def _profile_table(artefact: ArtefactResult) -> Optional[Table]:
    """The operators that took most of each entry. Profiling slows an engine down, so the shares count."""
    if not artefact.profile:
        return None
    title = f"Operators of {artefact.name}"
    if artefact.profile.get("not_available"):
        return Table(title, ["profile"], [[f"{NOT_MEASURED}: {artefact.profile['not_available']}"]])
    rows = []
    for entry, operators in artefact.profile["entries"].items():
        total = sum(operator["milliseconds"] for operator in operators) or 1.0
        busiest = sorted(operators, key=lambda operator: -operator["milliseconds"])[:TOP_OPERATORS]
        rows += [[entry, op["type"], op["name"], f"{op['milliseconds'] / total:.1%}"] for op in busiest]
    note = "Profiled in a pass of its own: shares, never latencies."
    return Table(title, ["entry", "operator", "name", "share"], rows, words=3, note=note)


def format_ms(value: Optional[float]) -> str:
    """Milliseconds to four significant digits, to the microsecond at most; "" for None."""
    if value is None:
        return ""
    whole = floor(log10(value)) if value > 0 else 0
    return f"{value:.{min(3, max(0, DIGITS - 1 - whole))}f}"
