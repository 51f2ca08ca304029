"""``mobilevis run``: a video through an artefact, or a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Callable, Optional

import typer

from mobilevis.cli.choices import choice
from mobilevis.cli.eager import find_checkpoint
from mobilevis.cli.options import (
    ARTEFACT_HELP,
    AssociationOption,
    DriverOption,
    EngineOption,
    InputSizeOption,
    KeyframeOption,
    PolicyOption,
    default_association,
    driver_options,
)
from mobilevis.data.records import MAX_INTEGER
from mobilevis.runtime.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from mobilevis.runtime.categories import Category
    from mobilevis.runtime.engines.base import Artefact
    from mobilevis.runtime.segmenter import VideoSegmenter
    from mobilevis.runtime.sinks import Sink
    from mobilevis.runtime.sources import Source
    from mobilevis.runtime.streaming import StreamSummary


def run(
    artefact: Annotated[
        str,
        typer.Argument(
            metavar="ARTEFACT|CHECKPOINT|MODEL",
            help=f"{ARTEFACT_HELP} Or, in eager PyTorch, a file that `mobilevis train` wrote, or a model "
            "whose weights ship.",
        ),
    ],
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Video, image, folder of images, camera index, URL, or - for a pipe."
        ),
    ],
    output: Annotated[
        Optional[Path],
        typer.Option("--output", "-o", metavar="FILE", help="Overlay video: .mp4, .mov, .webm or .avi."),
    ] = None,
    results: Annotated[Optional[Path], typer.Option(metavar="FILE", help="YouTube-VIS results.json.")] = None,
    panoptic: Annotated[
        Optional[Path],
        typer.Option(metavar="FOLDER", help="For a VIPSeg submission: pred.json and pan_pred/."),
    ] = None,
    json_lines: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="One JSON object a frame.")
    ] = None,
    legend: Annotated[
        bool, typer.Option("--legend", help="Write the speed into a corner of the overlay.")
    ] = False,
    coco: Annotated[
        Optional[Path],
        typer.Option(metavar="FILE", help="Of --stills: COCO annotations, to correct in a labelling tool."),
    ] = None,
    engine: EngineOption = None,
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads of the engine, of OpenCV and of NumPy.")
    ] = 1,
    input_size: InputSizeOption = None,
    keyframe_interval: KeyframeOption = None,
    keyframe_policy: PolicyOption = None,
    association: AssociationOption = None,
    mode: Annotated[
        Optional[str],
        choice(
            names=("near-online", "offline"), help="Of models that can wait for the video; by default theirs."
        ),
    ] = None,
    score_threshold: Annotated[
        Optional[float], typer.Option(metavar="P", help="Least score of an instance.")
    ] = None,
    classes: Annotated[
        Optional[str], typer.Option(metavar="NAME,NAME…", help="Categories to keep, such as person,dog.")
    ] = None,
    option: DriverOption = None,
    stills: Annotated[
        bool, typer.Option("--stills", help="A folder's images are pictures of their own, of any size.")
    ] = False,
    video_id: Annotated[
        int, typer.Option(min=-MAX_INTEGER, max=MAX_INTEGER, help="Video id in the results file.")
    ] = 1,
    max_frames: Annotated[Optional[int], typer.Option(min=1, help="Stop after so many frames.")] = None,
    verify: Annotated[
        bool, typer.Option(help="Compare the artefact's SHA-256 with the one in its metadata.")
    ] = True,
) -> None:
    """Classify, segment and track the objects of a video."""
    import cv2

    from mobilevis.cli.console import console_beside, print_written
    from mobilevis.cli.stream import run_with_progress
    from mobilevis.runtime.engines.base import check_threads
    from mobilevis.runtime.outputs import check_outputs
    from mobilevis.runtime.segmenter import VideoSegmenter
    from mobilevis.runtime.sinks import open_sinks
    from mobilevis.runtime.sources import open_source

    check_threads(threads)
    cv2.setNumThreads(threads)
    outputs = {
        "--output": output,
        "--results": results,
        "--panoptic": panoptic,
        "--json-lines": json_lines,
        "--coco": coco,
    }
    checkpoint = find_checkpoint(artefact)
    inputs = {"the artefact": checkpoint or Path(artefact), "the source": Path(source)}
    check_outputs(outputs, inputs, folders={"--panoptic"})
    named: dict[str, Any] = {
        "keyframe_interval": keyframe_interval,
        "keyframe_policy": keyframe_policy,
        "association": association,
        "mode": mode,
        "score_threshold": score_threshold,
        "classes": classes.split(",") if classes else None,
    }
    if stills and (output or results or panoptic):
        raise UserError("stills make no video", source, "write them with --coco or --json-lines")
    if coco and not stills:
        raise UserError("COCO annotations are of stills", source, "add --stills, or write --results")
    if legend and output is None:
        raise UserError("--legend belongs to an overlay", fix="give --output")
    loaded = _load(checkpoint, artefact, input_size, engine, threads, verify)
    options = {**default_association(loaded.metadata), **driver_options(named, option)}
    segmenter = VideoSegmenter(loaded, **options)
    opened = open_source(source, stills)
    makers = _choose_sinks(outputs, source, opened, segmenter.metadata.classes, video_id, legend)
    sinks = open_sinks(makers)
    console = console_beside(outputs.values())
    summary = run_with_progress(console, segmenter, opened, sinks, max_frames)
    _print_summary(console, segmenter, summary)
    print_written(console, outputs.values())
    if summary.interrupted is not None:
        raise summary.interrupted


def _load(
    checkpoint: Optional[Path],
    artefact: str,
    input_size: Optional[str],
    engine: Optional[str],
    threads: int,
    verify: bool,
) -> Artefact:
    """The checkpoint in eager PyTorch, or else the artefact on its engine."""
    from mobilevis.cli.eager import open_checkpoint
    from mobilevis.runtime.artefact import load_artefact

    if checkpoint is None:
        if input_size is not None:
            raise UserError("an artefact's input size is its own", artefact, "leave out --input-size")
        return load_artefact(artefact, engine, threads, verify=verify)
    if engine is not None:
        raise UserError("a checkpoint runs in eager PyTorch", checkpoint, "export it, or leave out --engine")
    return open_checkpoint(checkpoint, input_size, threads=threads)


def _print_summary(console: Console, segmenter: VideoSegmenter, summary: StreamSummary) -> None:
    from mobilevis.cli.stream import print_delay, print_nothing_found, print_stages

    loaded = segmenter.artefact
    if loaded.metadata.has_random_weights:
        console.print("[yellow]The artefact's weights are random: what it finds means nothing.[/]")
    print_stages(console, summary, f"{loaded.engine}, {loaded.threads} thread(s)")
    if not summary.track_ids:
        print_nothing_found(console, segmenter)
    print_delay(console, segmenter.delay, summary.frames)


def _choose_sinks(
    outputs: Mapping[str, Optional[Path]],
    source: str,
    opened: Source,
    classes: tuple[Category, ...],
    video_id: int,
    legend: bool,
) -> list[Callable[[], Sink]]:
    """What makes the sinks of the outputs asked for, by their options."""
    from mobilevis.runtime.files import require_text
    from mobilevis.runtime.prelabels import CocoAnnotations
    from mobilevis.runtime.sinks import JsonLines, OverlayVideo, YoutubeVisResults
    from mobilevis.runtime.sources import ImageFiles
    from mobilevis.runtime.vipseg import PanopticResults

    video = Path(source).resolve().stem.strip(".") or "video"
    if outputs["--panoptic"] or outputs["--coco"]:  # they hold these names
        files = range(opened.frame_count or 0) if isinstance(opened, ImageFiles) else ()
        for name in (video, *map(opened.file_name, files)):
            require_text(name, "an input")
    makers: dict[str, Callable[[Path], Sink]] = {
        "--output": lambda path: OverlayVideo(path, opened.fps, classes, legend=legend),
        "--results": lambda path: YoutubeVisResults(path, classes, video_id),
        "--panoptic": lambda path: PanopticResults(path, classes, video, opened.frame_name),
        "--json-lines": lambda path: JsonLines(path, classes),
        "--coco": lambda path: CocoAnnotations(path, classes, opened.file_name),
    }
    return [partial(makers[option], path) for option, path in outputs.items() if path is not None]
