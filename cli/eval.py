"""``mobilevis eval``: results held against ground truth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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
    from rich.console import Console

    from mobilevis.benchmarks.accuracy.evaluate import evaluate as evaluate_files
    from mobilevis.benchmarks.accuracy.evaluate import result_record

    console = Console()
    result = evaluate_files(metric, gt, results, lambda items: tracked(console, items, "evaluating"), strict)
    print_accuracy(console, result)
    if json_path is not None:
        write_json(console, json_path, result_record(result, gt, results))


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


def write_json(console: Console, path: Path, record: dict[str, Any]) -> None:
    """Write a JSON file and say so."""
    from mobilevis.cli.console import print_written
    from mobilevis.runtime.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print_written(console, [path])
