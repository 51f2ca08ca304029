"""``mobilevis run``: a video through an artefact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Callable, Optional

import typer

from mobilevis.cli.options import DriverOption, EngineOption, driver_options


def run(
    artefact: Annotated[Path, typer.Argument(help="A .pte or .tflite file, or a folder of .onnx files.")],
    source: Annotated[str, typer.Argument(help="Video file, image, folder of images, camera index or URL.")],
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="Overlay video: .mp4, .mov, .webm or .avi.")
    ] = None,
    results: Annotated[Optional[Path], typer.Option(help="YouTube-VIS results.json.")] = None,
    panoptic: Annotated[
        Optional[Path], typer.Option(help="Folder for a VIPSeg submission: pred.json and pan_pred/.")
    ] = None,
    json_lines: Annotated[Optional[Path], typer.Option(help="One JSON object a frame.")] = None,
    engine: EngineOption = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the engine and of OpenCV.")] = 1,
    keyframe_interval: Annotated[
        Optional[int], typer.Option("--keyframe-interval", "-T", help="Compute kernels every T frames.")
    ] = None,
    association: Annotated[
        Optional[str],
        typer.Option(help="slots (the paper's), online (births and deaths) or appearance (of masks)."),
    ] = None,
    mode: Annotated[
        Optional[str], typer.Option(help="near-online, or offline: for models that can wait for the video.")
    ] = None,
    score_threshold: Annotated[Optional[float], typer.Option(help="Least score of an instance.")] = None,
    classes: Annotated[Optional[str], typer.Option(help="Categories to keep: person,dog,…")] = None,
    option: DriverOption = None,
    video_id: Annotated[int, typer.Option(help="Video id in the results file.")] = 1,
    max_frames: Annotated[Optional[int], typer.Option(min=1, help="Stop after so many frames.")] = None,
    verify: Annotated[
        bool, typer.Option(help="Compare the artefact's SHA-256 with the one in its metadata.")
    ] = True,
) -> None:
    """Classify, segment and track the objects of a video."""
    import cv2

    from mobilevis.cli.console import console_beside, print_written
    from mobilevis.cli.stream import print_delay, print_stages, run_with_progress
    from mobilevis.runtime.engines.base import check_threads
    from mobilevis.runtime.outputs import check_outputs
    from mobilevis.runtime.panoptic_results import PanopticResults
    from mobilevis.runtime.segmenter import VideoSegmenter
    from mobilevis.runtime.sinks import JsonLines, OverlayVideo, Sink, YoutubeVisResults, open_sinks
    from mobilevis.runtime.sources import open_source

    check_threads(threads)
    cv2.setNumThreads(threads)
    outputs = {
        "--output": output,
        "--results": results,
        "--panoptic": panoptic,
        "--json-lines": json_lines,
    }
    check_outputs(outputs, {"the artefact": artefact, "the source": Path(source)}, folders={"--panoptic"})
    named: dict[str, Any] = {
        "keyframe_interval": keyframe_interval,
        "association": association,
        "mode": mode,
        "score_threshold": score_threshold,
        "classes": classes.split(",") if classes else None,
    }
    segmenter = VideoSegmenter(artefact, engine, threads, verify=verify, **driver_options(named, option))
    opened = open_source(source)
    categories = segmenter.metadata.classes
    makers: list[Callable[[], Sink]] = []
    if output is not None:
        makers.append(lambda: OverlayVideo(output, opened.fps, categories))
    if results is not None:
        makers.append(lambda: YoutubeVisResults(results, categories, video_id))
    if panoptic is not None:
        video = Path(source).resolve().stem or "video"
        makers.append(lambda: PanopticResults(panoptic, categories, video, opened.frame_name))
    if json_lines is not None:
        makers.append(lambda: JsonLines(json_lines, categories))
    sinks = open_sinks(makers)
    console = console_beside(outputs.values())
    summary = run_with_progress(console, segmenter, opened, sinks, max_frames)
    if segmenter.metadata.has_random_weights:
        console.print("[yellow]The artefact's weights are random: what it finds means nothing.[/]")
    loaded = segmenter.artefact
    print_stages(console, summary, f"{loaded.engine}, {loaded.threads} thread(s)")
    print_delay(console, segmenter.delay, summary.frames)
    print_written(console, outputs.values())
    if summary.interrupted is not None:
        raise summary.interrupted
