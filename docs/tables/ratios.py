"""Ratios of interleaved runs, from what ``mobilevis bench latency … --json`` recorded."""

from __future__ import annotations

from mobilevis.benchmarks.latency.report.compare import compare_within
from mobilevis.benchmarks.latency.report.schema import load_report
from mobilevis.benchmarks.latency.report.stats import Ratio

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


def peer_table(*names: str) -> str:
    """Of runs beside peers, the whole step and the streamed frame over the peer's.

    Args:
        names: of the records under docs/results/peers, without their suffix.
    """
    compared = [c for name in names for c in compare_within(load_report(RESULTS / "peers" / f"{name}.json"))]
    ratios = {(c.second, c.kind): c.rows[0].ratio for c in compared}
    valid = {c.second: not c.doubts for c in compared}
    rows = [
        format_row(
            peer,
            *(_with_interval(ratios[peer, kind]) for kind in ("entries", "frames")),
            "yes" if valid[peer] else "no",
        )
        for peer in valid
    ]
    return format_header("peer", "all entries", "streamed frame", "valid") + "".join(rows)


def _with_interval(ratio: Ratio) -> str:
    return f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
