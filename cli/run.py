"""``mobilevis run``: a video through an artefact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from mobilevis.cli.choices import choice
from mobilevis.cli.options import (
    ARTEFACT_HELP,
    AssociationOption,
    DriverOption,
    EngineOption,
    KeyframeOption,
    default_association,
    driver_options,
)
from mobilevis.runtime.errors import UserError


def run(
    artefact: Annotated[Path, typer.Argument(metavar="ARTEFACT", help=ARTEFACT_HELP)],
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
    engine: EngineOption = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the engine and of OpenCV.")] = 1,
    keyframe_interval: KeyframeOption = None,
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
    video_id: Annotated[int, typer.Option(help="Video id in the results file.")] = 1,
    max_frames: Annotated[Optional[int], typer.Option(min=1, help="Stop after so many frames.")] = None,
) -> None:
    """Classify, segment and track the objects of a video."""
    import cv2
    from rich.console import Console

    from mobilevis.cli.stream import print_delay, print_stages, run_with_progress
    from mobilevis.runtime.artefact import load_artefact
    from mobilevis.runtime.segmenter import VideoSegmenter
    from mobilevis.runtime.sinks import JsonLines, OverlayVideo, Sink, YoutubeVisResults
    from mobilevis.runtime.sources import open_source
    from mobilevis.runtime.vipseg import PanopticResults

    cv2.setNumThreads(threads)
    named: dict[str, Any] = {
        "keyframe_interval": keyframe_interval,
        "association": association,
        "mode": mode,
        "score_threshold": score_threshold,
        "classes": classes.split(",") if classes else None,
    }
    loaded = load_artefact(artefact, engine, threads)
    options = {**default_association(loaded.metadata), **driver_options(named, option)}
    segmenter = VideoSegmenter(loaded, **options)
    if stills and (output or results or panoptic):
        raise UserError("stills make no video", source, "write them with --json-lines")
    opened = open_source(source, stills)
    categories = segmenter.metadata.classes
    sinks: list[Sink] = []
    if output is not None:
        sinks.append(OverlayVideo(output, opened.fps, categories))
    if results is not None:
        sinks.append(YoutubeVisResults(results, categories, video_id))
    if panoptic is not None:
        sinks.append(
            PanopticResults(panoptic, categories, Path(source).stem.strip(".") or "video", opened.frame_name)
        )
    if json_lines is not None:
        sinks.append(JsonLines(json_lines, categories))
    console = Console()
    summary = run_with_progress(console, segmenter, opened, sinks, max_frames)
    if segmenter.metadata.has_random_weights:
        console.print("[yellow]The artefact's weights are random: what it finds means nothing.[/]")
    print_stages(console, summary, f"{loaded.engine}, {loaded.threads} thread(s)")
    print_delay(console, segmenter.delay, summary.frames)
    for path in (output, results, panoptic, json_lines):
        if path is not None:
            console.print(f"wrote {path}", soft_wrap=True)
    if summary.interrupted is not None:
        raise summary.interrupted
