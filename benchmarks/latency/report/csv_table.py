"""The statistics of a report as CSV, one row for each stage: for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, summary_groups
from mobilevis.benchmarks.latency.report.stats import Summary
from mobilevis.benchmarks.latency.worker.job import TOTAL

_ARTEFACT = ("artefact", "sha256", "engine", "threads", "cpus", "device", "valid", "reasons")
_STATISTICS = tuple(field.name for field in fields(Summary))
COLUMNS = (*_ARTEFACT, "workload", "frames", "stage", *_STATISTICS, "frames_a_second")


def to_csv(report: LatencyReport) -> str:
    """The table, with a header; times are milliseconds.

    ``frames`` is ``all``, ``keyframes`` or ``others``; ``frames_a_second`` is of whole frames, the inverse of
    their mean. ``reasons`` are joined by semicolons.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for artefact in report.artefacts:
        writer.writerows(_rows(report, artefact))
    return text.getvalue()


def _rows(report: LatencyReport, artefact: ArtefactResult) -> Iterator[dict[str, Any]]:
    facts = {
        "artefact": artefact.name,
        "sha256": artefact.sha256,
        "engine": artefact.facts.get("engine", ""),
        "threads": report.setup.threads,
        "cpus": " ".join(map(str, report.setup.cpus)),
        "device": report.device["address"],
        "valid": artefact.valid and report.error is None,
        "reasons": "; ".join(artefact.reasons),
    }
    for kind, series in artefact.workloads.items():
        for group, keyframes in summary_groups(kind).items():
            for stage in series.milliseconds:
                summary = series.summary(stage, keyframes)
                if summary is None:
                    continue
                is_frame = kind == "frames" and stage == TOTAL[kind] and summary.mean > 0
                rate = f"{1000 / summary.mean:.3f}" if is_frame else ""
                place = {"workload": kind, "frames": group, "stage": stage, "frames_a_second": rate}
                yield {**facts, **place, **asdict(summary)}
