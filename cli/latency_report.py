"""How ``bench latency`` and ``bench compare`` print, in 100 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from mobilevis.cli.console import plain

if TYPE_CHECKING:
    from rich.console import Console

    from mobilevis.benchmarks.latency.report.compare import Comparison
    from mobilevis.benchmarks.latency.report.schema import LatencyReport
    from mobilevis.benchmarks.latency.report.tables import Table

WIDTH = 100
NARROW = 80  # the tables' least; a narrower terminal wraps their lines


def wide_console(stderr: bool = False) -> Console:
    """A console of the terminal's width; into a file or a pipe, of the tables' own."""
    from rich.console import Console

    console = Console(stderr=stderr)
    return Console(stderr=stderr, width=max(NARROW, console.width) if console.is_terminal else WIDTH)


def print_report(console: Console, report: LatencyReport) -> None:
    """Print a run: the setup, the ratios where there are any, what was measured, and what spoils it."""
    from mobilevis.benchmarks.latency.report.compare import compare_within, is_comparable
    from mobilevis.benchmarks.latency.report.ratio_tables import headline_table, stage_ratio_tables
    from mobilevis.benchmarks.latency.report.tables import (
        describe_setup,
        group_reasons,
        name_keys,
        report_tables,
    )

    console.print(f"[bold]Latency on {plain(report.device['address'])}[/]")
    for what, words in describe_setup(report):
        console.print(f"[dim]{what:9}[/] {plain(words)}")
    comparisons = compare_within(report) if is_comparable(report) else []
    keys = name_keys(report)
    if comparisons:
        print_table(console, headline_table(comparisons, keys))
    for table in report_tables(report):
        print_table(console, table)
    for table in stage_ratio_tables(comparisons, keys):
        print_table(console, table)
    _print_warnings(console, comparisons)
    reasons = group_reasons(report)
    if reasons:
        console.print("\n[bold red]NOT VALID[/], because")
    margin = max((len(who) for who, _ in reasons), default=0)
    for who, reason in reasons:
        console.print(f"  [bold]{plain(who):{margin}}[/]  {plain(reason)}")


def print_comparisons(console: Console, comparisons: Sequence[Comparison]) -> None:
    """Print comparisons of two runs: the whole first, then stage by stage, then what speaks against them."""
    from mobilevis.benchmarks.latency.report.ratio_tables import headline_table, stage_ratio_tables

    for table in (headline_table(comparisons, {}), *stage_ratio_tables(comparisons, {})):
        print_table(console, table)
    _print_warnings(console, comparisons)
    for doubt in dict.fromkeys(doubt for comparison in comparisons for doubt in comparison.doubts):
        console.print(f"[red]{plain(doubt)}[/]")


def print_table(console: Console, table: Table) -> None:
    """Print a table, every cell whole: names and intervals take more lines where the terminal is narrow."""
    from rich import box
    from rich.table import Table as Grid

    console.print(f"\n[bold]{plain(table.title)}[/]")
    if table.note:
        console.print(f"[dim]{plain(table.note)}[/]")
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index, name in enumerate(table.header):
        holds_words = index < table.words
        is_number = not holds_words and not any(" " in row[index] for row in table.filled_rows)
        justify: Literal["left", "right"] = "left" if holds_words else "right"
        grid.add_column(name, justify=justify, overflow="fold", no_wrap=is_number)
    for row in table.filled_rows:
        grid.add_row(*map(plain, row))
    console.print(grid)


def _print_warnings(console: Console, comparisons: Sequence[Comparison]) -> None:
    from mobilevis.benchmarks.latency.report.ratio_tables import gather_warnings

    for warning in gather_warnings(comparisons):
        console.print(f"[yellow]{plain(warning)}[/]")
