"""``mobilevis data``: make synthetic sets and look at any set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from mobilevis.cli.choices import choice
from mobilevis.cli.console import print_written
from mobilevis.cli.options import SIZE, StrictOption


def synth(
    output: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    videos: Annotated[int, typer.Option(min=1, help="Number of videos.")] = 200,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each video.")] = 36,
    size: Annotated[str, typer.Option(metavar=SIZE, help="Of the frames, in pixels.")] = "320x640",
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal bytes.")] = 0,
    textures: Annotated[
        str,
        choice(names=("a", "b"), help="Colours and grounds: a to train on, b to hold out."),
    ] = "a",
    mode: Annotated[
        str,
        choice(names=("video", "pseudo"), help="Objects move, or a crop moves over stills of --sprites."),
    ] = "video",
    pace: Annotated[
        str,
        choice(
            names=("moving", "mixed", "still"),
            help="Scenes move all the time, by turns with standing still, or never.",
        ),
    ] = "moving",
    sprites: Annotated[
        Optional[Path],
        typer.Option(metavar="FILE", help="COCO annotations: cut-outs of its objects, or its stills."),
    ] = None,
    images: Annotated[Optional[Path], typer.Option(metavar="FOLDER", help="That file's images.")] = None,
    mp4: Annotated[bool, typer.Option("--mp4", help="Also write videos/<video>.mp4.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Draw a video instance segmentation set with its ground truth, in the YouTube-VIS format."""
    from rich.console import Console

    from mobilevis.cli.options import parse_size
    from mobilevis.cli.stream import progress_bar
    from mobilevis.data.synth import SynthOptions, generate

    options = SynthOptions(videos, frames, parse_size(size), seed, textures, mode, sprites, images, mp4, pace)
    console = Console()
    with progress_bar(console) as progress:
        task = progress.add_task("drawing videos", total=videos)
        dataset = generate(output, options, workers, lambda: progress.advance(task))
    console.print(
        f"wrote {output}: {len(dataset.videos)} videos, {len(dataset.tracks)} tracks, "
        f"{len(dataset.categories)} categories",
        soft_wrap=True,
    )


def show(
    path: Annotated[
        Path,
        typer.Argument(metavar="SET", help="COCO or YouTube-VIS annotations or results, or a set's folder."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Picture to write.")] = Path(
        "contact_sheet.png"
    ),
    images: Annotated[Optional[Path], typer.Option(metavar="FOLDER", help="The images.")] = None,
    gt: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="The annotations that a results file refers to.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows: videos, or rows of images.")] = 8,
    columns: Annotated[int, typer.Option(min=1, help="Columns: frames of a video, or images.")] = 5,
    tile_width: Annotated[int, typer.Option(help="Width of a tile in pixels.")] = 320,
    strict: StrictOption = False,
    min_score: Annotated[float, typer.Option(help="Least score of a result that is shown.")] = 0.3,
) -> None:
    """Write a contact sheet of a data set or of results: frames with masks, ids and classes."""
    from rich.console import Console

    from mobilevis.data.contact_sheet import SheetLayout, contact_sheet
    from mobilevis.data.images import write_png

    console, notes = Console(), list[str]()
    with console.status("drawing"):
        layout = SheetLayout(rows, columns, tile_width, min_score)
        sheet = contact_sheet(path, images, gt, layout, strict, notes.append)
        write_png(output, sheet)
    for note in notes:
        console.print(note, style="yellow", markup=False, soft_wrap=True)
    print_written(console, [output])
