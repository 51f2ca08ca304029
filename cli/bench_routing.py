"""``mobilevis bench routing``: what a model with TAR gains and loses by leaving decoder layers out."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mobilevis.cli.options import (
    ArtefactArgument,
    CheckpointOption,
    EngineOption,
    ImagesOption,
    InputSizeOption,
    JsonOption,
    ThreadsOption,
)
from mobilevis.cli.tables import make_table

if TYPE_CHECKING:
    from rich.console import Console


def routing(
    dataset: Annotated[Path, typer.Option(metavar="FILE", help="Annotations in YouTube-VIS format.")],
    artefact: ArtefactArgument = None,
    checkpoint: CheckpointOption = None,
    input_size: InputSizeOption = None,
    images: ImagesOption = None,
    engine: EngineOption = None,
    threads: ThreadsOption = 1,
    layers: Annotated[
        Optional[list[int]],
        typer.Option(min=1, metavar="N", help="A fixed number of decoder layers; repeat it. By default all."),
    ] = None,
    pace: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="N|mixed",
            help="Take every so many-th frame, 0: the first one again and again, mixed: stand still and move "
            "in turn; repeat it.",
        ),
    ] = None,
    against: Annotated[
        Optional[list[Path]],
        typer.Option(
            metavar="FILE", help="Another artefact or checkpoint, such as one without TAR; repeat it."
        ),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Layers that TAR's routers keep, and the AP, against fixed numbers of layers (Table 5, Fig. 5)."""
    from mobilevis.benchmarks.accuracy.routing import (
        MIXED,
        against_row,
        layer_row,
        paced_set,
        parse_pace,
        routing_record,
    )
    from mobilevis.cli.console import console_beside, print_written
    from mobilevis.cli.eager import CHECKPOINT_SUFFIX
    from mobilevis.cli.eval import tracked
    from mobilevis.cli.measured import open_measured
    from mobilevis.cli.records import as_text, open_record

    loaded, facts = open_measured(artefact, checkpoint, input_size, None, engine, threads)
    others = [
        open_measured(None, path, input_size, None, engine, threads)
        if path.suffix == CHECKPOINT_SUFFIX
        else open_measured(path, None, None, None, engine, threads)
        for path in against or ()
    ]
    console = console_beside([json_path])
    fixed = layers or [loaded.metadata.options.get("decoder_layers", 1)]  # without routers any is refused
    rows = []
    inputs = {"the artefact": artefact, "the checkpoint": checkpoint, "the annotations": dataset}
    inputs |= {str(path): path for path in against or ()}
    with open_record(json_path, inputs) as write, tempfile.TemporaryDirectory() as folder:
        for step in [parse_pace(text) for text in pace or ("0", "1", "2", MIXED)]:
            videos = paced_set(dataset, step, Path(folder), images)
            for count in (*fixed, None):
                what = f"pace {step}, {'routed' if count is None else f'{count} layers'}"
                rows.append(layer_row(loaded, videos, count, partial(tracked, console, what=what)))
            for other, about in others:
                bar = partial(tracked, console, what=f"pace {step}, {about['file']}")
                rows.append(against_row(other, videos, about["file"], bar))
        compared = {"against": [about for _, about in others]} if others else {}
        record = routing_record(rows, dataset, artefact=facts, **compared)
        _print(console, record)
        write(as_text(record))
    print_written(console, [json_path])


def _print(console: Console, record: dict[str, Any]) -> None:
    columns = ("pace", "layers", "mean layers", "AP")
    table = make_table("YouTube-VIS AP by decoder layers", (), columns)
    for row in record["rows"]:
        kept = "–" if row["mean_layers"] is None else f"{row['mean_layers']:.2f}"
        table.add_row(
            str(row["pace"]),
            str(row["fixed_layers"] or row.get("against", "routed")),
            kept,
            f"{row['AP']:.4f}",
        )
    console.print(table)
    relation = record["relation"]
    rank = relation["rank_correlation"]
    if not relation["by_change"]:
        console.print("No frame moved: there is no relation of change and layers.")
    elif rank is None:
        console.print("Every routed frame that moved kept the same number of layers.")
    else:
        console.print(f"Rank correlation of a frame's change and its layers: {rank:+.2f}")
