"""What ``run`` and ``demo`` show of a video on its way through a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mobilevis.cli.signals import StoppedError, stop_on_signals
from mobilevis.runtime.errors import printable

if TYPE_CHECKING:
    from mobilevis.runtime.segmenter import VideoSegmenter
    from mobilevis.runtime.sinks import Sink
    from mobilevis.runtime.sources import Source
    from mobilevis.runtime.streaming import StreamSummary


def progress_bar(console: Console) -> Progress:
    """The one look of every progress bar."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def run_with_progress(
    console: Console,
    segmenter: VideoSegmenter,
    source: Source,
    sinks: Sequence[Sink],
    max_frames: Optional[int] = None,
) -> StreamSummary:
    """``run_stream`` under a progress bar, until its end, ``max_frames`` or a signal.

    Raises:
        StoppedError: a signal came before the first answer.
    """
    from mobilevis.runtime.streaming import run_stream

    with progress_bar(console) as progress, stop_on_signals() as request:
        task = progress.add_task(printable(source.name), total=max_frames or source.frame_count)
        summary = run_stream(
            segmenter,
            source,
            sinks,
            lambda _: progress.advance(task),
            max_frames,
            lambda: request.number is not None,
        )
    if summary.stopped and request.number is not None:
        summary.interrupted = StoppedError(request.number, source.name, summary.frames)
        if summary.frames == 0:
            raise summary.interrupted
    return summary


def print_stages(console: Console, summary: StreamSummary, setup: str) -> None:
    """Mean milliseconds of each stage, on keyframes and on the frames between them."""
    key, other = summary.mean_milliseconds(keyframes=True), summary.mean_milliseconds(keyframes=False)
    tracks = len(summary.track_ids)
    console.print(
        f"{setup}: {summary.frames} frames, {summary.keyframes} keyframes, {tracks} tracks", soft_wrap=True
    )
    table = Table()
    table.add_column("stage")
    table.add_column("keyframe ms", justify="right")
    table.add_column("other ms", justify="right")
    for stage in key:
        table.add_row(stage, f"{key[stage]:.2f}", f"{other[stage]:.2f}" if stage in other else "–")
    console.print(table)


def print_delay(console: Console, delay: int, frames: int) -> None:
    """How late a clip-level driver answers, and that a video shorter than its clips was padded."""
    if not delay:
        return
    console.print(
        f"It sees {delay + 1} frames at once: answers come up to {delay} frames late.", soft_wrap=True
    )
    if frames <= delay:
        console.print(f"The video has fewer ({frames}): its last frame was repeated.", soft_wrap=True)
