"""Ratios of interleaved runs, from what ``mobilevis bench latency … --json`` recorded."""

from __future__ import annotations

from mobilevis.benchmarks.latency.report.compare import compare_within
from mobilevis.benchmarks.latency.report.schema import load_report

from .records import RESULTS, format_header, format_row


def ratio_table(record: str) -> str:
    """Time of the first artefact over the second's, stage by stage.

    Args:
        record: under docs/results, without its suffix.
    """
    rows = [
        format_row(
            compared.kind,
            row.stage,
            f"{row.ratio.value:.2f}",
            f"{row.ratio.low:.2f} to {row.ratio.high:.2f}",
            "no" if compared.doubts else "yes",
        )
        for compared in compare_within(load_report(RESULTS / f"{record}.json"))
        for row in compared.rows
    ]
    return format_header("measured", "stage", "ratio", "95 % interval", "valid") + "".join(rows)
