"""What is stepped through while the clock runs: an artefact's entries, or whole frames of a clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from mobilevis.benchmarks.latency.worker.job import TOTAL
from mobilevis.benchmarks.latency.worker.packages import missing_frame_packages
from mobilevis.runtime.engines.base import Artefact

if TYPE_CHECKING:
    from mobilevis.runtime.results import FrameResult
    from mobilevis.runtime.segmenter import VideoSegmenter

Answer = list[tuple[Any, "FrameResult"]]
Run = Callable[[str, Mapping[str, Any]], Any]
Inputs = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Step:
    """What a round of a workload timed: all entries, or one of the frames that were answered at once.

    Attributes:
        milliseconds: stage → wall-clock milliseconds.
        is_keyframe: None where frames are not what is timed.
        instances: instances found in the frame; None likewise.
    """

    milliseconds: Mapping[str, float]
    is_keyframe: Optional[bool] = None
    instances: Optional[int] = None


class Workload(Protocol):
    """Something that is timed round by round.

    Attributes:
        kind: ``entries`` or ``frames``; ``job.TOTAL[kind]`` is the stage that sums up a step.
    """

    kind: str

    def restart(self) -> None:
        """Begin again where the first step began, so that two runs measure the same frames."""
        ...

    def step(self) -> Sequence[Step]:
        """Do one round and say how long its stages took."""
        ...


class EntriesWorkload:
    """Every entry once a round, in the metadata's order; their sum is the stage ``total``."""

    kind = "entries"

    def __init__(self, run: Run, inputs: Inputs) -> None:
        self._run = run
        self._inputs = inputs

    def restart(self) -> None:
        """Every round is the same: nothing to do."""

    def step(self) -> Sequence[Step]:
        """Run all entries once."""
        milliseconds = {}
        total = 0.0
        for entry, inputs in self._inputs.items():
            start = perf_counter()
            self._run(entry, inputs)
            elapsed = (perf_counter() - start) * 1e3
            milliseconds[entry] = elapsed
            total += elapsed
        milliseconds[TOTAL["entries"]] = total
        return [Step(milliseconds)]


class FramesWorkload:
    """Frames of a clip through the artefact's own driver; the clip repeats, each time as a new video."""

    kind = "frames"

    def __init__(self, segmenter: VideoSegmenter, clip: str) -> None:
        self._segmenter = segmenter
        self._clip = clip
        self.restart()

    def restart(self) -> None:
        """Begin the clip again."""
        self._answers: Iterator[Answer] = self._segmenter.answers(self._clip)

    def step(self) -> Sequence[Step]:
        """Process frames until the driver answers.

        The frames of a clip that is answered at once share its cost: they are one measurement, not many.
        """
        answer = next(self._answers, None)
        if answer is None:
            self.restart()
            answer = next(self._answers)
        return [Step(result.milliseconds, result.is_keyframe, len(result.instances)) for _, result in answer]


class ForwardWorkload:
    """A plain model's forward pass in each round of frames, so that a streamed frame has its pair."""

    kind = "frames"

    def __init__(self, run: Run, inputs: Inputs) -> None:
        self._entries = EntriesWorkload(run, inputs)

    def restart(self) -> None:
        """Every round is the same: nothing to do."""

    def step(self) -> Sequence[Step]:
        """Run the model once."""
        return [Step({TOTAL["frames"]: self._entries.step()[0].milliseconds[TOTAL["entries"]]})]


class Recording:
    """The steps of one workload."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, Step]] = []

    def add(self, at_s: float, step: Step) -> None:
        """Append one step that began ``at_s`` seconds after the worker did.

        In one operation: SIGTERM may raise anywhere, and the columns that are flushed then are equally long.
        """
        self._rows.append((at_s, step))

    def take(self) -> dict[str, Any]:
        """The columns so far, for JSON, leaving none; to the nanosecond, which is the clock's own step.

        A stage that a step lacks is None there.
        """
        rows, self._rows = self._rows, []
        steps = [step for _, step in rows]
        stages = dict.fromkeys(stage for step in steps for stage in step.milliseconds)
        return {
            "at_s": [round(at_s, 6) for at_s, _ in rows],
            "is_keyframe": [step.is_keyframe for step in steps],
            "instances": [step.instances for step in steps],
            "milliseconds": {
                stage: [
                    None if (value := step.milliseconds.get(stage)) is None else round(value, 6)
                    for step in steps
                ]
                for stage in stages
            },
        }


def frames_obstacle(is_baseline: bool, source: Optional[str]) -> Optional[str]:
    """Why frames of a clip cannot be timed here, or None if they can.

    Args:
        is_baseline: a plain model has no driver.
        source: the clip; None where none was given.
    """
    if is_baseline:
        return "a plain model has no driver"
    if source is None:
        return "no --source clip was given"
    if missing := missing_frame_packages():
        return f"{' and '.join(missing)} not installed on the device"
    return None


def make_segmenter(artefact: Artefact, options: Mapping[str, Any], threads: int) -> VideoSegmenter:
    """The artefact's driver; what only frames need is imported here.

    OpenCV gets no more threads than the engine: its own pool would share the pinned cores.

    Raises:
        UserError: the driver does not take the options.
    """
    import cv2

    from mobilevis.runtime.segmenter import VideoSegmenter

    cv2.setNumThreads(threads)
    return VideoSegmenter(artefact, **options)


def make_frames(artefact: Artefact, options: Mapping[str, Any], clip: str, threads: int) -> FramesWorkload:
    """Frames of the clip through the artefact's driver.

    Raises:
        UserError: the driver does not take the options, or the clip cannot be read.
    """
    return FramesWorkload(make_segmenter(artefact, options, threads), clip)
