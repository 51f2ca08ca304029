"""The report as Markdown: what was measured, on what, and whether to believe it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from mobilevis.benchmarks.latency.report.compare import Comparison, compare_within
from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, Series
from mobilevis.benchmarks.latency.report.stats import Summary
from mobilevis.benchmarks.latency.worker.cpus import format_cpus
from mobilevis.benchmarks.latency.worker.job import TOTAL

NOT_MEASURED = "not measured"
TOP_OPERATORS = 10


def to_markdown(report: LatencyReport) -> str:
    """The whole report."""
    parts: list[Optional[str]] = [f"# Latency on {report.device['address']}", *describe_setup(report)]
    if report.error:
        parts.append(f"**The run ended early:** {report.error}")
    parts += ["", entries_table(report), frames_table(report), stages_table(report)]
    if report.setup.interleaved and len(report.artefacts) > 1 and not report.error:
        parts += [comparison_table(comparison) for comparison in compare_within(report)]
    parts += [_validity(report), _memory(report), *(_profile(artefact) for artefact in report.artefacts)]
    return "\n".join(part for part in parts if part is not None) + "\n"


def describe_setup(report: LatencyReport) -> list[str]:
    """Which device, cores, threads, protocol and clip, one line each."""
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
    lines = [
        f"- device: {model or 'not known'}; CPUs {'; '.join(kinds)}",
        f"- cores: {setup.cpus_asked}, {format_cpus(setup.cpus)}, allowed {allowed}; threads {setup.threads}",
        f"- protocol: {protocol['name']}, ≥ {protocol['min_runs']} runs and ≥ {protocol['min_seconds']:g} s"
        + (", interleaved" if setup.interleaved else ""),
        f"- clip: {setup.source['name']}; {options or 'the driver’s own options'}" if setup.source else None,
        f"- {report.created}, mobilevis {report.harness['version']}",
    ]
    return [line for line in lines if line is not None]


def entries_table(report: LatencyReport) -> Optional[str]:
    """Each entry and their sum: load, first run, and the distribution."""
    rows = []
    for artefact in report.artefacts:
        series = artefact.workloads.get("entries")
        for stage in series.milliseconds if series else ():
            summary = series.summary(stage) if series else None
            if summary is not None:
                load = artefact.load_ms if stage == "total" else None
                first = artefact.first_ms.get(stage)
                rows.append([_name(artefact), stage, _ms(load), _ms(first), *_distribution(summary)])
    if not rows:
        return None
    header = ["artefact", "entry", "load", "first", *DISTRIBUTION]
    return "\n## Entries, ms\n\n" + table(header, rows)


DISTRIBUTION = ("runs", "p50 [95 %]", "mean", "std", "min", "p90", "p95", "p99", "max")


def _distribution(summary: Summary) -> list[str]:
    return [
        str(summary.runs),
        f"{_ms(summary.p50)} [{_ms(summary.median_low)}, {_ms(summary.median_high)}]",
        *(_ms(getattr(summary, name)) for name in ("mean", "std", "min", "p90", "p95", "p99", "max")),
    ]


def frames_table(report: LatencyReport) -> Optional[str]:
    """Whole frames: keyframes, other frames, and the amortised mean, whose percentiles mix two modes."""
    rows = []
    for artefact in report.artefacts:
        series = artefact.workloads.get("frames")
        if series is None:
            if artefact.not_measured.get("frames"):
                rows.append([_name(artefact), f"{NOT_MEASURED}: {artefact.not_measured['frames']}"])
            continue
        for label, keyframes in (("keyframe", True), ("other", False)):
            summary = series.summary(TOTAL["frames"], keyframes)
            if summary is not None:
                rows.append([_name(artefact), label, *_distribution(summary)])
        both = series.summary(TOTAL["frames"])
        if both is not None:
            rows.append([_name(artefact), "amortised", str(both.runs), "", _ms(both.mean)])
    if not rows:
        return None
    text = (
        "\n## Whole frames, ms\n\nFrom an RGB frame in memory to instances; reading the clip is not in them, "
        "`read` below shows it.\n\n"
    )
    return text + table(["artefact", "frames", *DISTRIBUTION], rows)


def stages_table(report: LatencyReport) -> Optional[str]:
    """Medians of every stage, of keyframes and of other frames."""
    measured = [artefact for artefact in report.artefacts if "frames" in artefact.workloads]
    stages = dict.fromkeys(
        stage for artefact in measured for stage in artefact.workloads["frames"].milliseconds
    )
    if not stages:
        return None
    rows = []
    for artefact in measured:
        series = artefact.workloads["frames"]
        for label, keyframes in (("keyframe", True), ("other", False)):
            medians = [_median(series, stage, keyframes) for stage in stages]
            if any(medians):
                rows.append([_name(artefact), label, *(median or "–" for median in medians)])
    return "\n## Stages of a frame, median ms\n\n" + table(["artefact", "frames", *stages], rows)


def _median(series: Series, stage: str, keyframes: bool) -> str:
    summary = series.summary(stage, keyframes)
    return _ms(summary.p50) if summary else ""


def comparison_table(comparison: Comparison) -> str:
    """One comparison: each stage's ratio and interval."""
    rows = [
        [
            row.stage,
            _ms(row.first_ms),
            _ms(row.second_ms),
            f"{row.ratio.value:.3f}",
            f"[{row.ratio.low:.3f}, {row.ratio.high:.3f}]",
            "yes" if row.ratio.is_distinct else "no",
        ]
        for row in comparison.rows
    ]
    lines = [
        f"\n## {comparison.first} / {comparison.second}: {comparison.kind}\n",
        f"Pairs: {comparison.pairing}.\n",
        table(["stage", "first, ms", "second, ms", "ratio", "95 % interval", "distinct"], rows),
        *(f"- {warning}" for warning in comparison.warnings),
    ]
    return "\n".join(lines)


def _validity(report: LatencyReport) -> str:
    lines = [
        f"- {artefact.name}: {'valid' if artefact.valid else 'NOT VALID: ' + '; '.join(artefact.reasons)}"
        for artefact in report.artefacts
    ]
    return "\n## Validity\n\n" + "\n".join(lines)


def _memory(report: LatencyReport) -> Optional[str]:
    columns = ("before_mib", "loaded_mib", "peak_mib")
    rows = [
        [_name(artefact), *(f"{artefact.memory[column]:.0f}" for column in columns)]
        for artefact in report.artefacts
        if artefact.memory
    ]
    if not rows:
        return None
    return "\n## Resident memory, MiB (a pass of its own)\n\n" + table(
        ["artefact", "before loading", "loaded", "peak"], rows
    )


def _profile(artefact: ArtefactResult) -> Optional[str]:
    """The operators that took most of each entry. Profiling slows an engine down, so the shares count."""
    if not artefact.profile:
        return None
    if artefact.profile.get("not_available"):
        return f"\n## Operators of {artefact.name}\n\n{NOT_MEASURED}: {artefact.profile['not_available']}"
    rows = []
    for entry, operators in artefact.profile["entries"].items():
        total = sum(operator["milliseconds"] for operator in operators) or 1.0
        busiest = sorted(operators, key=lambda operator: -operator["milliseconds"])[:TOP_OPERATORS]
        rows += [[entry, op["type"], op["name"], f"{op['milliseconds'] / total:.1%}"] for op in busiest]
    return (
        f"\n## Operators of {artefact.name} (profiled in a pass of its own; shares, never latencies)\n\n"
        + table(["entry", "operator", "name", "share"], rows)
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; short rows are filled up."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        cells = [*row, *[""] * (len(header) - len(row))]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _name(artefact: ArtefactResult) -> str:
    return artefact.name if artefact.valid else f"{artefact.name} (NOT VALID)"


def _ms(value: Optional[float]) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"
