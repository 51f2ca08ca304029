"""``mobilevis bench accuracy``: an artefact over a data set."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Optional

import typer

from mobilevis.cli.options import (
    ArtefactArgument,
    CheckpointOption,
    DriverOption,
    EngineOption,
    ImagesOption,
    InputSizeOption,
    StrictOption,
    ThreadsOption,
    driver_options,
)


def accuracy(
    dataset: Annotated[
        Path, typer.Option(help="Annotations: COCO, YouTube-VIS or VIPSeg, as the metric says.")
    ],
    metric: Annotated[str, typer.Option(help="coco, ytvis, vpq or stq.")],
    artefact: ArtefactArgument = None,
    checkpoint: CheckpointOption = None,
    input_size: InputSizeOption = "320x640",
    max_instances: Annotated[
        Optional[int], typer.Option(min=1, help="Instances in a frame, of a checkpoint.")
    ] = None,
    images: ImagesOption = None,
    engine: EngineOption = None,
    threads: ThreadsOption = 1,
    keyframe_interval: Annotated[
        Optional[int],
        typer.Option("--keyframe-interval", "-T", min=1, help="Compute kernels every T frames."),
    ] = None,
    association: Annotated[
        Optional[str],
        typer.Option(help="slots (the paper's), online (births and deaths) or appearance (of masks)."),
    ] = None,
    score_threshold: Annotated[
        Optional[float],
        typer.Option(min=0, max=1, help="Least score of an instance; by default low for coco and ytvis."),
    ] = None,
    option: DriverOption = None,
    strict: StrictOption = False,
    results: Annotated[
        Optional[Path], typer.Option(help="Keep the results here; vpq and stq write pan_pred/ beside.")
    ] = None,
    json_path: Annotated[
        Optional[Path], typer.Option("--json", help="Write all figures as JSON, fractions in [0, 1].")
    ] = None,
) -> None:
    """Evaluate an artefact on a data set through the streaming runtime."""
    from rich.console import Console

    from mobilevis.benchmarks.accuracy.evaluate import result_record
    from mobilevis.benchmarks.accuracy.run import measured_options, run_accuracy
    from mobilevis.cli.eval import print_accuracy, tracked, write_json
    from mobilevis.cli.measured import open_measured
    from mobilevis.runtime.segmenter import VideoSegmenter

    loaded, facts = open_measured(artefact, checkpoint, input_size, max_instances, engine, threads)
    named = {
        "keyframe_interval": keyframe_interval,
        "association": association,
        "score_threshold": score_threshold,
    }
    options = measured_options(loaded.metadata, metric, driver_options(named, option))
    segmenter = VideoSegmenter(loaded, **options)
    console = Console()
    with ExitStack() as stack:
        if results is None:
            results = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "results.json"
        result = run_accuracy(
            segmenter, metric, dataset, results, images, lambda items: tracked(console, items, metric), strict
        )
        record = result_record(result, dataset, results, artefact=facts, options=options)
    if loaded.metadata.has_random_weights:
        console.print("[yellow]The artefact's weights are random: the figures mean nothing.[/]")
    print_accuracy(console, result)
    if json_path is not None:
        write_json(console, json_path, record)
