"""``mobilevis eval``: results held against ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mobilevis.benchmarks.accuracy.metrics import METRICS
from mobilevis.cli.choices import choice
from mobilevis.cli.options import JsonOption, StrictOption
from mobilevis.cli.tables import make_table

if TYPE_CHECKING:
    from rich.console import Console

    from mobilevis.benchmarks.accuracy.result import AccuracyResult

PANOPTIC = " and ".join(name for name, metric in METRICS.items() if metric.is_panoptic)


def evaluate(
    metric: Annotated[str, choice(names=METRICS, help="What to measure.")],
    gt: Annotated[
        Path, typer.Option(metavar="FILE", help=f"Annotations; of {PANOPTIC} with panomasksRGB/ beside.")
    ],
    results: Annotated[
        Path, typer.Option(metavar="FILE", help=f"Results; of {PANOPTIC} with pan_pred/ beside.")
    ],
    strict: StrictOption = False,
    json_path: JsonOption = None,
) -> None:
    """Evaluate results as the field's own evaluators do."""
    from mobilevis.benchmarks.accuracy.evaluate import evaluate as evaluate_files
    from mobilevis.benchmarks.accuracy.evaluate import result_record
    from mobilevis.cli.console import console_beside, print_written
    from mobilevis.cli.records import as_text, open_record

    console = console_beside([json_path])
    with open_record(json_path, {"the annotations": gt, "the results": results}) as write:
        bar = partial(tracked, console, what="evaluating")
        result = evaluate_files(metric, gt, results, bar, strict)
        print_accuracy(console, result)
        write(as_text(result_record(result, gt, results)))
    print_written(console, [json_path])


def tracked(console: Console, items: Sequence[Any], what: str) -> Iterable[Any]:
    """The items under a progress bar."""
    from mobilevis.cli.stream import progress_bar

    with progress_bar(console) as progress:
        yield from progress.track(items, description=what)


def print_accuracy(console: Console, result: AccuracyResult) -> None:
    """Print the figures, over all classes and for each; a dash where there is nothing to find."""
    from mobilevis.cli.console import plain

    headline = METRICS[result.metric].headline
    names = [name for name in result.metrics if not headline or name in headline]
    table = make_table(f"{result.metric}, fractions in [0, 1]", ["class"], names)
    table.add_row("[bold]all[/]", *(_cell(result.metrics.get(name)) for name in names), end_section=True)
    for item in result.per_class:
        table.add_row(plain(item.name), *(_cell(item.metrics.get(name)) for name in names))
    console.print(table)
    console.print(", ".join(f"{count} {what}" for what, count in result.counts.items()))
    for note in result.notes:
        console.print(f"[yellow]{plain(note)}[/]")


def _cell(value: Optional[float]) -> str:
    return "–" if value is None or value < 0 else f"{value:.4f}"
