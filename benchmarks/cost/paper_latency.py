"""The rows of MobileInst's latency tables, and ours beside them (arXiv:2303.17594v1, Tables 1 and 3 to 7).

The paper's milliseconds are one core of a Snapdragon 778G with TNN at 320×640; its own second version gives
433 ms where the first gives 158. Only ratios of rows are compared: all rows here run interleaved on one
device, and no absolute number of the paper is a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport
from mobilevis.benchmarks.latency.report.stats import Samples, paired_ratio
from mobilevis.benchmarks.latency.report.tables import NOT_MEASURED
from mobilevis.runtime.errors import UserError

KEYFRAME_ENTRY = "decode"
PAPER_COLUMNS = ("paper's ratio", "paper's ms (778G, TNN)")


@dataclass(frozen=True)
class PaperRow:
    """One row of a table.

    Attributes:
        table: number of the table.
        name: of the row, as ``mobilevis.benchmarks.cost.paper_flops`` names it where it has the row.
        paper_ms: as printed.
        interval: T, frames a keyframe's kernels serve.
    """

    table: int
    name: str
    paper_ms: float
    interval: int = 1


FLAGSHIP = "ours w/ SE"
PLAIN = "global, local"

# Table 3's rows with one decoder print 151 ms for both; the row with the local one has no legible name.
ROWS = (
    PaperRow(1, "SparseInst, R-50", 684),
    PaperRow(1, "SparseInst, TopFormer", 317),
    PaperRow(1, "MobileInst, TopFormer", 158),
    PaperRow(1, "MobileInst, SeaFormer", 172),
    PaperRow(3, "global", 151),
    PaperRow(3, "global ×2", 154),
    PaperRow(3, "local ×2", 154),
    PaperRow(3, PLAIN, 154),
    PaperRow(4, "no pooling", 219),
    PaperRow(4, "4×4 max", 157),
    PaperRow(4, "8×8 max", 154),
    PaperRow(4, "8×8 avg", 154),
    PaperRow(5, "SparseInst, 4×conv", 198),
    PaperRow(5, "SparseInst, 1×conv", 149),
    PaperRow(5, "FPN, 1×conv", 148),
    PaperRow(5, "ours", 154),
    PaperRow(5, FLAGSHIP, 158),
    PaperRow(6, "200 queries", 170),
    PaperRow(6, "100 queries", 154),
    PaperRow(6, "50 queries", 149),
    PaperRow(6, "20 queries", 143),
    PaperRow(7, "global, local, T = 1", 154, 1),
    PaperRow(7, "global, local, T = 3", 143, 3),
    PaperRow(7, "global, local, T = 6", 140, 6),
)
# The row that each table's others are divided by: the paper's own default there.
REFERENCES = {
    1: "SparseInst, TopFormer",
    3: PLAIN,
    4: "8×8 max",
    5: "ours",
    6: "100 queries",
    7: "global, local, T = 1",
}


def rows_of(tables: Sequence[int]) -> list[PaperRow]:
    """The rows of some tables.

    Raises:
        UserError: a table without latencies of ours.
    """
    unknown = sorted(set(tables) - set(REFERENCES))
    if unknown:
        known = ", ".join(map(str, REFERENCES))
        raise UserError(f"no rows for table {unknown[0]}", fix=f"choose from {known}")
    return [row for row in ROWS if row.table in tables]


def frame_samples(artefact: ArtefactResult, interval: int) -> Samples:
    """Milliseconds of a frame in each round, (n,): all entries, ``decode`` shared by ``interval`` frames.

    Raises:
        UserError: the entries were not measured.
    """
    series = artefact.workloads.get("entries")
    if series is None or not len(series.at_s):
        raise UserError("the entries were not measured", artefact.name, "; ".join(artefact.reasons))
    whole = series.stage("total")
    if interval == 1:
        return whole
    decode = series.stage(KEYFRAME_ENTRY)
    return whole - decode * (1 - 1 / interval)


def paper_table(
    report: LatencyReport,
    artefact_of: Mapping[PaperRow, int],
    not_measured: Optional[Mapping[PaperRow, str]] = None,
) -> str:
    """Each row's ratio to its table's reference, measured and printed, as Markdown.

    Args:
        report: one interleaved run.
        artefact_of: row → index of the artefact that is its architecture.
        not_measured: row → why it has no artefact.

    Raises:
        UserError: the run was not interleaved: its ratios would hold the drift between the rows.
    """
    if not report.setup.interleaved:
        raise UserError("the run was not interleaved", fix="measure the rows with --interleave")
    missing = not_measured or {}
    rows = [row for row in ROWS if row in artefact_of or row in missing]
    lines = [_unmeasured_line(row) if row in missing else _line(report, artefact_of, row) for row in rows]
    header = ["table", "row", "ms here", "ratio here", "95 % interval", *PAPER_COLUMNS]
    reasons = [f"- table {row.table}, {row.name}: {NOT_MEASURED}: {why}" for row, why in missing.items()]
    return "\n".join([_markdown_table(header, lines), *reasons])


def _markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)


def _line(report: LatencyReport, artefact_of: Mapping[PaperRow, int], row: PaperRow) -> list[str]:
    own = frame_samples(report.artefacts[artefact_of[row]], row.interval)
    valid = "" if report.artefacts[artefact_of[row]].valid else " (NOT VALID)"
    reference = _reference(row)
    measured = [NOT_MEASURED, ""]
    if reference in artefact_of:
        base = frame_samples(report.artefacts[artefact_of[reference]], reference.interval)
        ratio = paired_ratio(own, base)
        measured = [f"{ratio.value:.3f}", f"[{ratio.low:.3f}, {ratio.high:.3f}]"]
    milliseconds = f"{float(np.median(own)):.1f}{valid}"
    return [str(row.table), row.name, milliseconds, *measured, *_paper_cells(row)]


def _unmeasured_line(row: PaperRow) -> list[str]:
    return [str(row.table), row.name, NOT_MEASURED, "", "", *_paper_cells(row)]


def _paper_cells(row: PaperRow) -> list[str]:
    return [f"{row.paper_ms / _reference(row).paper_ms:.3f}", f"{row.paper_ms:g}"]


def _reference(row: PaperRow) -> PaperRow:
    return next(one for one in ROWS if (one.table, one.name) == (row.table, REFERENCES[row.table]))
