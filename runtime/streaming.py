"""A whole video through a segmenter into sinks, with all outputs complete or absent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable, Optional

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.segmenter import Image, VideoSegmenter
from mobilevis.runtime.sinks import Sink
from mobilevis.runtime.sources import Source, StreamInterruptedError


@dataclass
class StreamSummary:
    """What happened to a video.

    Attributes:
        frames: frames that were processed.
        keyframes: how many of them were keyframes.
        track_ids: identities that were seen.
        interrupted: why the source ended early; None if it did not.
        stopped: whether the caller asked for the end.
    """

    frames: int = 0
    keyframes: int = 0
    track_ids: set[int] = field(default_factory=set)
    interrupted: Optional[UserError] = None
    stopped: bool = False
    _sums: dict[bool, dict[str, float]] = field(
        default_factory=lambda: {True: defaultdict(float), False: defaultdict(float)}
    )

    def add(self, result: FrameResult) -> None:
        """Count one frame."""
        self.frames += 1
        self.keyframes += result.is_keyframe
        self.track_ids.update(instance.track_id for instance in result.instances)
        for stage, milliseconds in result.milliseconds.items():
            self._sums[result.is_keyframe][stage] += milliseconds

    def mean_milliseconds(self, keyframes: Optional[bool] = None) -> Mapping[str, float]:
        """Mean milliseconds of each stage over the keyframes, over the other frames, or over all (None)."""
        kinds = (True, False) if keyframes is None else (keyframes,)
        count = sum(self.keyframes if kind else self.frames - self.keyframes for kind in kinds)
        stages = dict.fromkeys(stage for kind in kinds for stage in self._sums[kind])
        return {stage: sum(self._sums[kind].get(stage, 0.0) for kind in kinds) / count for stage in stages}


class _Stoppable(Source):
    """A source that ends when it is asked to: a driver then answers what it has seen."""

    def __init__(self, source: Source, stop: Callable[[], bool]) -> None:
        self.name, self.fps, self.frame_count = source.name, source.fps, source.frame_count
        self.stills = source.stills
        self._source, self._stop = source, stop

    def __iter__(self) -> Iterator[Image]:
        frames = iter(self._source)
        while not self._stop():
            try:
                frame = next(frames, None)
            except UserError:
                if self._stop():  # the signal broke a read off
                    return
                raise
            if frame is None:
                return
            yield frame

    def frame_name(self, index: int) -> str:
        """The source's own."""
        return self._source.frame_name(index)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def run_stream(
    segmenter: VideoSegmenter,
    source: Source,
    sinks: Sequence[Sink],
    on_frame: Optional[Callable[[FrameResult], None]] = None,
    max_frames: Optional[int] = None,
    stop: Callable[[], bool] = lambda: False,
) -> StreamSummary:
    """Run a video into sinks.

    An interrupted or stopped source keeps the frames before its end, and the summary says so; any other
    fault discards every output.

    Args:
        segmenter: runs the artefact.
        source: the opened video.
        sinks: every one takes every frame.
        on_frame: called after each frame, for progress.
        max_frames: stop after so many frames, as a camera has no end of its own.
        stop: asked before each frame is read; True ends the stream. Before the first answer, that leaves no
            output.
    """
    summary = StreamSummary()
    open_sinks = list(sinks)
    try:
        try:
            for frame, result in segmenter.stream(_Stoppable(source, stop)):
                for sink in sinks:
                    sink.write(frame, result)
                summary.add(result)
                if on_frame is not None:
                    on_frame(result)
                if max_frames is not None and summary.frames >= max_frames:
                    break
        except StreamInterruptedError as interruption:
            if summary.frames == 0:
                raise
            summary.interrupted = interruption
        summary.stopped = stop()
        if summary.stopped and summary.frames == 0:
            return summary
        while open_sinks:
            open_sinks.pop(0).close()
    finally:
        for sink in open_sinks:
            sink.discard()
    return summary
