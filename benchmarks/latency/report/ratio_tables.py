"""The tables of comparisons: how the whole compares first, then stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mobilevis.benchmarks.latency.report.compare import Comparison, Row
from mobilevis.benchmarks.latency.report.tables import Table, format_ms

WHAT = {"entries": "all entries", "frames": "whole frames"}


def headline_table(comparisons: Sequence[Comparison], keys: Mapping[str, str]) -> Table:
    """The ratio of each comparison's whole step, with its interval, and what it says in words.

    Args:
        comparisons: at least one.
        keys: what tables call an artefact, by name; names that it lacks stand for themselves.
    """
    rows = []
    for comparison in comparisons:
        first, second = (keys.get(name, name) for name in (comparison.first, comparison.second))
        whole = comparison.rows[0]
        of = f"{WHAT[comparison.kind]}: {whole.stage}"
        rows.append([f"{first} / {second}", of, _words(whole, first), *_ratio(whole)])
    pairings = dict.fromkeys(comparison.pairing for comparison in comparisons)
    header = ["", "of", "in words", "ratio", "95 % interval"]
    return Table("Ratios of time", header, rows, words=3, note=f"Pairs: {'; '.join(pairings)}.")


def stage_ratio_tables(comparisons: Sequence[Comparison], keys: Mapping[str, str]) -> list[Table]:
    """Each comparison, stage by stage."""
    tables = []
    for comparison in comparisons:
        first, second = (keys.get(name, name) for name in (comparison.first, comparison.second))
        rows = [
            [
                row.stage,
                format_ms(row.first_ms),
                format_ms(row.second_ms),
                *_ratio(row),
                "yes" if row.ratio.is_distinct else "no",
            ]
            for row in comparison.rows
        ]
        header = ["stage", "first, ms", "second, ms", "ratio", "95 % interval", "distinct"]
        tables.append(Table(f"{first} / {second}, {WHAT[comparison.kind]}", header, rows))
    return tables


def gather_warnings(comparisons: Sequence[Comparison]) -> list[str]:
    """What speaks against the comparisons, each warning once."""
    return list(dict.fromkeys(warning for comparison in comparisons for warning in comparison.warnings))


def _ratio(row: Row) -> list[str]:
    return [f"{row.ratio.value:.3f}", f"[{row.ratio.low:.3f}, {row.ratio.high:.3f}]"]


def _words(row: Row, first: str) -> str:
    if not row.ratio.is_distinct:
        return "no difference seen"
    return f"{first} is {'faster' if row.ratio.value < 1 else 'slower'}"
