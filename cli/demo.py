"""``mobilevis demo``: the main job, end to end, on what the package brings along."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobilevis.cli.options import PolicyOption, default_association, driver_options
from mobilevis.cli.tables import make_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mobilevis.export.report import ExportReport
    from mobilevis.runtime.segmenter import VideoSegmenter
    from mobilevis.runtime.streaming import StreamSummary

DEMO_MODEL = "mobileinst-yolox-nano"
SCORE_THRESHOLD = 0.4  # at the driver's 0.3 the clip shows a refrigerator and a teddy bear that are none


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="For what the demo writes.")
    ] = Path("mobilevis-demo"),
    keyframe_interval: Annotated[
        int,
        typer.Option(
            "--keyframe-interval", "-T", min=1, metavar="T", help="Compute kernels on one of T frames."
        ),
    ] = 3,
    keyframe_policy: PolicyOption = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each engine.")] = 1,
) -> None:
    """Export the bundled model to every format, stream the bundled clip on their engines, compare them."""
    import cv2
    from rich.console import Console

    from mobilevis.cli.console import print_written
    from mobilevis.cli.stream import run_with_progress
    from mobilevis.runtime.artefact import load_artefact
    from mobilevis.runtime.bundled_clip import real_clip
    from mobilevis.runtime.engines.base import check_threads
    from mobilevis.runtime.segmenter import VideoSegmenter
    from mobilevis.runtime.sources import open_source

    check_threads(threads)
    cv2.setNumThreads(threads)
    named = {"keyframe_interval": keyframe_interval, "keyframe_policy": keyframe_policy}
    console = Console()
    report = _export(console, output)
    written = [output / artefact.path for artefact in report.artefacts]
    summaries: dict[str, StreamSummary] = {}
    for artefact in report.artefacts:
        loaded = load_artefact(output / artefact.path, threads=threads)
        options = {
            **driver_options(named, None),
            "score_threshold": SCORE_THRESHOLD,
            **default_association(loaded.metadata),
        }
        if report.checkpoint_sha256 is None:
            # Random weights score everything near the prior: show what the gate compared all the same.
            options["score_threshold"] = artefact.parity.score_threshold
        segmenter = VideoSegmenter(loaded, **options)
        source = open_source(real_clip())
        sinks = _sinks(segmenter, output, source.fps, overlay=not summaries)
        written += [sink.target for sink in sinks]
        summary = run_with_progress(console, segmenter, source, sinks)
        if summary.interrupted is not None:
            raise summary.interrupted
        summaries[segmenter.artefact.engine] = summary
    console.print(_stage_table(summaries, threads, keyframe_interval))
    print_written(console, written)
    if report.checkpoint_sha256 is None:
        console.print("[bold yellow]The weights are random: the masks show that everything runs, no more.[/]")


def _export(console: Console, output: Path) -> ExportReport:
    from mobilevis.cli.export import export_with_progress
    from mobilevis.cli.export_tables import print_report

    report = export_with_progress(console, DEMO_MODEL, output)
    print_report(console, report)
    return report


def _sinks(segmenter: VideoSegmenter, output: Path, fps: float, *, overlay: bool) -> list[Any]:
    from mobilevis.runtime.sinks import OverlayVideo, YoutubeVisResults

    classes, engine = segmenter.metadata.classes, segmenter.artefact.engine
    results = YoutubeVisResults(output / f"results_{engine}.json", classes)
    return [OverlayVideo(output / "overlay.mp4", fps, classes), results] if overlay else [results]


def _stage_table(summaries: Mapping[str, StreamSummary], threads: int, interval: int) -> Table:
    title = f"Mean ms a frame at T = {interval}, {threads} thread(s), this machine"
    means = {engine: summary.mean_milliseconds() for engine, summary in summaries.items()}
    table = make_table(title, ["stage"], list(summaries))
    for stage in next(iter(means.values())):
        table.add_row(stage, *(f"{mean.get(stage, 0.0):.2f}" for mean in means.values()))
    table.add_section()
    table.add_row("tracks", *(str(len(summary.track_ids)) for summary in summaries.values()))
    table.add_row("frames", *(str(summary.frames) for summary in summaries.values()))
    table.add_row("keyframes", *(str(summary.keyframes) for summary in summaries.values()))
    return table
