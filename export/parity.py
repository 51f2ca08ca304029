"""The parity gate: an artefact against eager PyTorch, entry by entry and as a whole, on real frames.

Nothing here knows any entry: a recorder around the eager artefact notes what the model's driver asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.export.recorder import Call, FramesInMemory, Recorder, Remembering
from mobilevis.export.task_parity import TaskParity, compare_tasks, mask_iou
from mobilevis.export.tolerances import AnyTolerance, TaskTolerance
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.segmenter import VideoSegmenter

Kept = Mapping[tuple[int, int], Instance]  # (track, class index) → instance

GATE = "parity frames"
MIN_FRAMES = 10
USUAL_FRAMES = 12
# Foreground probability for models whose masks are all empty at their driver's own: with random weights the
# mask logits of all slots have one sign, and chance decides whether masks fill the frame or are empty.
LOW_MASK_THRESHOLD = 1e-6
# Scores that differ by less may change places: float32 engines agree to about 1e-6.
SCORE_TIE = 1e-6
INSTANCES_PER_FRAME = 5  # enough to compare identities and masks, few enough to have distinct scores


@dataclass(frozen=True)
class Reference:
    """What eager PyTorch makes of the gate's frames.

    Attributes:
        frames: (H, W, 3) uint8 RGB each.
        options: of the driver; its ``score_threshold`` keeps about ``INSTANCES_PER_FRAME`` instances a frame.
        calls: every run of an entry.
        results: one for each frame.
    """

    frames: Sequence[Image]
    options: Mapping[str, Any]
    calls: Sequence[Call]
    results: Sequence[FrameResult]


@dataclass(frozen=True)
class OutputParity:
    """One output over all recorded calls: the worst call and the frame that it belongs to.

    Attributes:
        max_abs: largest absolute difference of any value.
        scale: root mean square of eager PyTorch's values, or 1 where that is less.
        relative_l2: norm of the difference over the norm of eager PyTorch's values.
        middle: the median of all calls' ``error``.
        own_rounding: of the network in float32, where it was measured (``mobilevis.export.own_rounding``).
        limit: what that allows ``error`` to be in place of the table's tolerance.
    """

    entry: str
    output: str
    max_abs: float
    scale: float
    relative_l2: float
    worst_frame: int
    middle: float = 0.0
    own_rounding: Optional[float] = None
    limit: Optional[float] = None

    @property
    def error(self) -> float:
        """What a tolerance limits: the largest difference at the output's scale, or that of the whole output.

        The scale of small outputs is 1, so that one value near 0, such as a score, does not decide alone. As
        a whole they must agree: EfficientVIS's features of 0.06 would pass with errors of 2 %.
        """
        return max(self.max_abs / self.scale, self.relative_l2)

    def failure(self, table: float) -> Optional[str]:
        """What is beyond the table's tolerance, or the output's own limit, in words; None when nothing is."""
        limit = table if self.limit is None else self.limit
        if self.error <= limit:
            return None
        own = "" if self.own_rounding is None else f", with its own rounding of {self.own_rounding:.1e}"
        return (
            f"{self.entry}.{self.output} differs by {self.max_abs:.1e} (relative L2 {self.relative_l2:.1e}) "
            f"in frame {self.worst_frame}, allowed is {limit * self.scale:.1e} ({limit:.1e}{own})"
        )


@dataclass(frozen=True)
class ParityReport:
    """An artefact against eager PyTorch.

    Attributes:
        engine: the engine that ran the artefact.
        frames: number of frames.
        score_threshold: least score of a kept instance.
        mask_threshold: foreground probability of a mask's pixel; None for the driver's own.
        outputs: the worst case of every output.
        instances: kept instances, summed over the frames.
        differing_frames: frames whose kept instances differ in identity or class, ties for the last place of
            a full frame apart.
        mask_iou: least intersection over union of an instance's masks.
        worst_mask_frame: the frame of that mask.
        task: what limits a reduced precision.
    """

    engine: str
    frames: int
    score_threshold: float
    mask_threshold: Optional[float]
    outputs: tuple[OutputParity, ...]
    instances: int
    differing_frames: tuple[int, ...]
    mask_iou: float
    worst_mask_frame: int
    task: TaskParity

    def failures(self, tolerance: AnyTolerance) -> list[str]:
        """What is out of tolerance, in words; empty when the gate is passed."""
        if isinstance(tolerance, TaskTolerance):
            return self.task.failures(tolerance)
        found = [failure for o in self.outputs if (failure := o.failure(tolerance.max_abs))]
        if self.differing_frames:
            found.append(f"kept instances differ in frames {', '.join(map(str, self.differing_frames))}")
        if not self.mask_iou >= tolerance.mask_iou:
            found.append(
                f"mask IoU {self.mask_iou:.4f} in frame {self.worst_mask_frame}, "
                f"least is {tolerance.mask_iou}"
            )
        return found


def make_reference(
    eager: Artefact, frames: Iterable[Image], driver_options: Mapping[str, Any] = {}
) -> Reference:
    """Run eager PyTorch over the first frames of a video: enough for identities to cross a clip's border.

    Args:
        eager: the model.
        frames: (H, W, 3) uint8 RGB each.
        driver_options: under which the driver runs every entry.

    Raises:
        UserError: fewer than ``MIN_FRAMES`` frames, or no instance in any of them.
    """
    options = {**driver_options, "score_threshold": 0.0}
    eager = Remembering(eager)
    chosen = list(islice(frames, max(USUAL_FRAMES, VideoSegmenter(eager, **options).delay + 2)))
    if len(chosen) < MIN_FRAMES:
        raise UserError(
            f"the parity gate has {len(chosen)} frames, it needs {MIN_FRAMES}", fix="give a longer video"
        )
    results = _track(eager, FramesInMemory(GATE, chosen), options)
    if not any(result.instances for result in results):
        options["mask_threshold"] = LOW_MASK_THRESHOLD
        results = _track(eager, FramesInMemory(GATE, chosen), options)
    options["score_threshold"] = choose_threshold(results)
    source = FramesInMemory(GATE, chosen)
    recorder = Recorder(eager, source)
    results = _track(recorder, source, options)
    return Reference(chosen, options, recorder.calls, results)


def choose_threshold(results: Sequence[FrameResult]) -> float:
    """The middle of the widest gap between scores that keeps about ``INSTANCES_PER_FRAME`` instances a frame.

    A fixed threshold would keep nothing of a model with random weights, and the gate would compare nothing;
    one inside a cluster of scores would make rounding decide what is kept.

    Raises:
        UserError: the results hold no instance.
    """
    scores = np.array(sorted((i.score for r in results for i in r.instances), reverse=True))
    if scores.size == 0:
        raise UserError("the model finds no instance in the parity frames", fix="give frames with objects")
    if scores.size == 1:
        return float(scores[0]) / 2
    wished = min(INSTANCES_PER_FRAME * len(results), scores.size - 1)
    first = max(1, wished // 2)
    window = scores[first - 1 : min(2 * wished, scores.size - 1) + 1]
    cut = int(np.argmax(window[:-1] - window[1:]))
    return float(window[cut] + window[cut + 1]) / 2


def compare(reference: Reference, artefact: Artefact) -> ParityReport:
    """Replay every recorded call on an artefact, then run its driver over the frames from start to end."""
    artefact = Remembering(artefact)
    results = _track(artefact, FramesInMemory(GATE, reference.frames), reference.options)
    differing, worst_iou, worst_frame = [], 1.0, 0
    for index, (expected, actual) in enumerate(zip(reference.results, results)):
        masks, others = _by_identity(expected), _by_identity(actual)
        if not same_instances(masks, others, artefact.metadata.options.get("max_instances")):
            differing.append(index)
        for key in masks.keys() & others.keys():
            iou = mask_iou(masks[key], others[key])
            if iou < worst_iou:
                worst_iou, worst_frame = iou, index
    return ParityReport(
        engine=artefact.engine,
        frames=len(reference.frames),
        score_threshold=reference.options["score_threshold"],
        mask_threshold=reference.options.get("mask_threshold"),
        outputs=_replay(reference.calls, artefact),
        instances=sum(len(result.instances) for result in reference.results),
        differing_frames=tuple(differing),
        mask_iou=worst_iou,
        worst_mask_frame=worst_frame,
        task=compare_tasks(reference.results, results),
    )


def _track(artefact: Artefact, frames: FramesInMemory, options: Mapping[str, Any]) -> list[FrameResult]:
    return [result for _, result in VideoSegmenter(artefact, **options).stream(frames)]


def _replay(calls: Sequence[Call], artefact: Artefact) -> tuple[OutputParity, ...]:
    worst: dict[tuple[str, str], OutputParity] = {}
    errors: dict[tuple[str, str], list[float]] = {}
    for call in calls:
        outputs = artefact.run(call.entry, call.inputs)
        for name, expected in call.outputs.items():
            found = compare_outputs(call, name, expected, outputs[name])
            errors.setdefault((call.entry, name), []).append(found.error)
            before = worst.get((call.entry, name))
            if before is None or found.error > before.error:
                worst[call.entry, name] = found
    return tuple(replace(found, middle=float(np.median(errors[key]))) for key, found in worst.items())


def compare_outputs(call: Call, name: str, expected: NDArray[Any], actual: NDArray[Any]) -> OutputParity:
    """One output of one call beside what it should be, of any float type."""
    difference = actual - expected
    norm = float(np.linalg.norm(expected))
    return OutputParity(
        call.entry,
        name,
        max_abs=float(np.abs(difference).max()),
        scale=max(1.0, norm / float(np.sqrt(expected.size))),
        relative_l2=float(np.linalg.norm(difference)) / max(norm, float(np.finfo(np.float32).tiny)),
        worst_frame=call.frame,
    )


def _by_identity(result: FrameResult) -> Kept:
    return {(instance.track_id, instance.class_index): instance for instance in result.instances}


def same_instances(expected: Kept, actual: Kept, most: Optional[int]) -> bool:
    """Whether a frame's kept instances have the same identities and classes.

    A driver keeps ``most`` instances. Where two have equal scores but for rounding, either may be the last.
    """
    if expected.keys() == actual.keys():
        return True
    if not len(expected) == len(actual) == most:
        return False
    last = min(instance.score for kept in (expected, actual) for instance in kept.values())
    return _ties(expected, actual, last) and _ties(actual, expected, last)


def _ties(kept: Kept, others: Kept, last: float) -> bool:
    """Whether what only one side keeps is a track that the other does not know, no better than the last."""
    known = {track for track, _ in others}
    return all(
        track not in known and kept[track, label].score <= last + SCORE_TIE
        for track, label in kept.keys() - others.keys()
    )
