"""``mobilevis bench accuracy``: an artefact over a data set."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Optional

import typer

from mobilevis.benchmarks.accuracy.metrics import METRICS
from mobilevis.cli.choices import choice
from mobilevis.cli.eval import PANOPTIC
from mobilevis.cli.options import (
    ArtefactArgument,
    AssociationOption,
    CheckpointOption,
    DriverOption,
    EngineOption,
    ImagesOption,
    InputSizeOption,
    JsonOption,
    KeyframeOption,
    PolicyOption,
    StrictOption,
    ThreadsOption,
    default_association,
    driver_options,
)

FORMATS_OF_METRICS = ", ".join(dict.fromkeys(metric.annotations for metric in METRICS.values()))


def accuracy(
    dataset: Annotated[
        Path, typer.Option(metavar="FILE", help=f"Annotations, as the metric says: {FORMATS_OF_METRICS}.")
    ],
    metric: Annotated[str, choice(names=METRICS, help="What to measure.")],
    artefact: ArtefactArgument = None,
    checkpoint: CheckpointOption = None,
    input_size: InputSizeOption = None,
    max_instances: Annotated[
        Optional[int], typer.Option(min=1, metavar="S", help="Instances in a frame, of a checkpoint.")
    ] = None,
    images: ImagesOption = None,
    engine: EngineOption = None,
    threads: ThreadsOption = 1,
    keyframe_interval: KeyframeOption = None,
    keyframe_policy: PolicyOption = None,
    association: AssociationOption = None,
    score_threshold: Annotated[
        Optional[float],
        typer.Option(min=0, max=1, metavar="P", help="Least score; by default the metric's or the driver's."),
    ] = None,
    option: DriverOption = None,
    strict: StrictOption = False,
    results: Annotated[
        Optional[Path],
        typer.Option(
            metavar="FILE", help=f"Keep the results here; those of {PANOPTIC} with pan_pred/ beside."
        ),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Evaluate an artefact on a data set through the streaming runtime."""
    from mobilevis.benchmarks.accuracy.evaluate import result_record
    from mobilevis.benchmarks.accuracy.run import default_options, run_accuracy
    from mobilevis.cli.console import console_beside, print_written
    from mobilevis.cli.eval import print_accuracy, tracked
    from mobilevis.cli.measured import open_measured
    from mobilevis.cli.records import as_text, open_record
    from mobilevis.runtime.segmenter import VideoSegmenter

    loaded, facts = open_measured(artefact, checkpoint, input_size, max_instances, engine, threads)
    named = {
        "keyframe_interval": keyframe_interval,
        "keyframe_policy": keyframe_policy,
        "association": association,
        "score_threshold": score_threshold,
    }
    given = {**default_association(loaded.metadata), **driver_options(named, option)}
    segmenter = VideoSegmenter(loaded, **{**default_options(metric), **given})
    console = console_beside([json_path])
    inputs = {"the artefact": artefact, "the checkpoint": checkpoint, "the annotations": dataset}
    with ExitStack() as stack:
        write = stack.enter_context(open_record(json_path, inputs, results))
        if results is None:
            results = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "results.json"
        result = run_accuracy(
            segmenter, metric, dataset, results, images, lambda items: tracked(console, items, metric), strict
        )
        if loaded.metadata.has_random_weights:
            console.print("[yellow]The artefact's weights are random: the figures mean nothing.[/]")
        print_accuracy(console, result)
        record = result_record(result, dataset, results, artefact=facts, options=segmenter.options)
        write(as_text(record))
    print_written(console, [json_path])
