"""What ``run`` and ``demo`` show of a video on its way through a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mobilevis.cli.signals import StoppedError, stop_on_signals
from mobilevis.cli.tables import make_table
from mobilevis.runtime.errors import printable

if TYPE_CHECKING:
    from mobilevis.runtime.segmenter import VideoSegmenter
    from mobilevis.runtime.sinks import Sink
    from mobilevis.runtime.sources import Source
    from mobilevis.runtime.streaming import StreamSummary

TOTAL = "frame"  # the stage that sums up a driver's


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
    """Mean milliseconds of each stage, on keyframes and on the frames between them; frames a second."""
    key, other = summary.mean_milliseconds(keyframes=True), summary.mean_milliseconds(keyframes=False)
    every = summary.mean_milliseconds()
    tracks = len(summary.track_ids)
    console.print(
        f"{setup}: {summary.frames} frames, {summary.keyframes} keyframes, {tracks} tracks", soft_wrap=True
    )
    table = make_table("", ["stage"], ["keyframe ms", "other ms", "amortised ms"])
    for stage in every:
        cells = (f"{means[stage]:.2f}" if stage in means else "–" for means in (key, other, every))
        table.add_row(stage, *cells)
    console.print(table)
    end_to_end = f"{summary.frames / summary.seconds:.1f} frames a second end to end"
    amortised = f", {1e3 / every[TOTAL]:.1f} without reading and writing" if every.get(TOTAL) else ""
    console.print(end_to_end + amortised, soft_wrap=True)


def print_nothing_found(console: Console, segmenter: VideoSegmenter) -> None:
    """What the scores were where no object was found, and which thresholds would show some."""
    options, best = segmenter.options, segmenter.best_score
    least = float(f"{best / 2:.0e}")  # masks' quality lowers scores: half the best shows something
    lower = [f"--score-threshold {least:g}"] if least < options["score_threshold"] else []
    if options.get("birth_score", 0.0) > least:
        lower.append(f"--option birth_score={least:g}")
    lower = lower or [f"--option mask_threshold={options['mask_threshold'] / 2:g}"]
    console.print(
        f"Nothing was found: the best score was {best:.2g}, before its mask was rated; the threshold is "
        f"{options['score_threshold']:g}. Try {' '.join(lower)}.",
        soft_wrap=True,
        style="yellow",
    )


def print_delay(console: Console, delay: int, frames: int) -> None:
    """How late a clip-level driver answers, and that a video shorter than its clips was padded."""
    if not delay:
        return
    console.print(
        f"It sees {delay + 1} frames at once: answers come up to {delay} frames late.", soft_wrap=True
    )
    if frames <= delay:
        console.print(f"The video has fewer ({frames}): its last frame was repeated.", soft_wrap=True)
