"""The clip-level driver of MaXTron: near-online, clip by clip, or offline, over windows of K clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.kernels import SlotAssociation
from mobilevis.runtime.drivers.clips import Clip, ClipBuffer, frame_milliseconds
from mobilevis.runtime.drivers.frames import EncodedFrame, FrameEncoder, Selection, join_frames
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import instances_in_frame, logit
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.stages import Stages

MODES = ("near-online", "offline")


@dataclass(frozen=True)
class MaXTronOptions(InstanceOptions):
    """How a MaXTron artefact is run.

    Attributes:
        mode: ``near-online`` answers each clip when it is complete; ``offline`` waits for the artefact's K
            clips and refines their queries together (§3.3). A longer video is done in windows of K clips, so
            that memory is bounded; tracks go on through them.
    """

    mode: str = "near-online"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in MODES:
            raise ValueError(f"mode {self.mode} is not one of {', '.join(MODES)}")


@dataclass(frozen=True)
class Tubes:
    """What a clip's queries say, query n being track n + 1.

    Attributes:
        first: index of the clip's first frame.
        letterboxes: one for each frame whose result is owed.
        milliseconds: the stages of each of these frames.
        mask_features: (F, D', h, w) of them.
        queries: (N, D).
        kernels: (N, D').
        scores: (N, C).
    """

    first: int
    letterboxes: Sequence[Letterbox]
    milliseconds: Sequence[dict[str, float]]
    mask_features: Array
    queries: Array
    kernels: Array
    scores: Array


class MaXTronDriver(ABC):
    """Runs ``encode`` on every frame, ``decode`` on every clip, and ``cross_clip`` on K of them if offline.

    Clips do not overlap; the tubes of successive ones are linked by the cosine of their queries and linear
    assignment over all N (§3.2). The last clip of a video, or a video of fewer frames than a clip, is padded
    with its last frame (§3.1), the last window with its last clip; nothing is answered for padding.
    """

    def __init__(self, artefact: Artefact, options: MaXTronOptions) -> None:
        entries = artefact.metadata.entries
        self._artefact = artefact
        self.options = options
        self._encoder = FrameEncoder(artefact)
        self._selection = Selection(artefact, options)
        self._stride = Facts(artefact.metadata).whole_number("mask_stride")
        self._clips: ClipBuffer[EncodedFrame] = ClipBuffer(entries["decode"].inputs[0].shape[0])
        self._window: Optional[ClipBuffer[Tubes]] = None
        if options.mode == "offline":
            self._window = ClipBuffer(entries["cross_clip"].inputs[0].shape[0])
        self.reset()

    @property
    def delay(self) -> int:
        """T − 1, or offline K·T − 1: the first frame of a clip or window waits for its last."""
        clips = 1 if self._window is None else self._window.length
        return self._clips.length * clips - 1

    @property
    def best_score(self) -> float:
        """See ``Driver``."""
        return self._selection.best_score

    def reset(self) -> None:
        """Forget the video."""
        self._clips.reset()
        if self._window is not None:
            self._window.reset()
        self._association = SlotAssociation()

    def push(self, frame: NDArray[np.uint8]) -> list[FrameResult]:
        """Encode one frame, (H, W, 3) uint8 RGB; answer the clip or window that it completes."""
        clip = self._clips.push(self._encoder.encode_for_clip(frame))
        return [] if clip is None else self._take(clip)

    def flush(self) -> list[FrameResult]:
        """The frames of the last clip, and of the last window."""
        clip = self._clips.flush()
        results = [] if clip is None else self._take(clip)
        window = None if self._window is None else self._window.flush()
        return results if window is None else results + self._refine(window)

    def _take(self, clip: Clip[EncodedFrame]) -> list[FrameResult]:
        tubes = self._decode(clip)
        if self._window is None:
            return self._answer(tubes, tubes.kernels, tubes.scores)
        window = self._window.push(tubes)
        return [] if window is None else self._refine(window)

    def _decode(self, clip: Clip[EncodedFrame]) -> Tubes:
        """A clip's tubes, in the order of the video's tracks."""
        stages = Stages()
        with stages("frame"):
            with stages("decode"):
                found = self._artefact.run("decode", join_frames(clip.items))
            with stages("association"):
                queries, scores = found["queries"][0], found["scores"][0]
                order = np.argsort(self._association.update(queries, scores.max(axis=1)))
        shown = [clip.items[place] for place in clip.new]
        return Tubes(
            clip.first,
            [item.letterbox for item in shown],
            [frame_milliseconds(item.milliseconds, stages.milliseconds, len(shown)) for item in shown],
            found["mask_features"][: len(shown)],
            queries[order],
            found["kernels"][0][order],
            scores[order],
        )

    def _refine(self, window: Clip[Tubes]) -> list[FrameResult]:
        """Offline: kernels and classes from the queries of all clips of a window together."""
        stages = Stages()
        with stages("frame"), stages("cross_clip"):
            queries = np.stack([tubes.queries for tubes in window.items])
            refined = self._artefact.run("cross_clip", {"queries": queries})
        owed = [window.items[place] for place in window.new]
        frames = sum(len(tubes.letterboxes) for tubes in owed)
        results = []
        for place, tubes in zip(window.new, owed):
            own = [frame_milliseconds(times, stages.milliseconds, frames) for times in tubes.milliseconds]
            timed = replace(tubes, milliseconds=own)
            results += self._answer(timed, refined["kernels"][place], refined["scores"][0])
        return results

    def _answer(self, tubes: Tubes, kernels: Array, scores: Array) -> list[FrameResult]:
        """The results of a clip's frames.

        Args:
            tubes: the clip.
            kernels: (N, D').
            scores: (N, C).
        """
        stages = Stages()
        self._selection.watch(scores)
        with stages("frame"):
            shown = self._draw(tubes, kernels, scores, stages)
        return [
            FrameResult(
                tubes.first + place,
                letterbox.frame_size,
                instances,
                True,
                frame_milliseconds(times, stages.milliseconds, len(shown)),
            )
            for place, (letterbox, times, instances) in enumerate(
                zip(tubes.letterboxes, tubes.milliseconds, shown)
            )
        ]

    @abstractmethod
    def _draw(
        self, tubes: Tubes, kernels: Array, scores: Array, stages: Stages
    ) -> list[tuple[Instance, ...]]:
        """The instances of each frame of a clip; arguments as for ``_answer``."""

    def _segment(self, kernels: Array, mask_features: Array, letterbox: Letterbox, stages: Stages) -> Array:
        """Mask logits of S kernels in one frame, (S, rows, columns) of the cells that see the frame."""
        padded = self._selection.pad(kernels)[None]
        with stages("segment"):
            output = self._artefact.run(
                "segment", {"kernels": padded, "mask_features": np.ascontiguousarray(mask_features[None])}
            )
        rows, columns = letterbox.content_cells(self._stride)
        return output["mask_logits"][0, : len(kernels), :rows, :columns]


class MaXTronVisDriver(MaXTronDriver):
    """Instances, each with a mask of its own."""

    def __init__(self, artefact: Artefact, options: MaXTronOptions) -> None:
        self._mask_logit = logit(options.mask_threshold)
        super().__init__(artefact, options)

    def _draw(
        self, tubes: Tubes, kernels: Array, scores: Array, stages: Stages
    ) -> list[tuple[Instance, ...]]:
        classes, best = scores.argmax(axis=1), scores.max(axis=1)
        slots = self._selection.choose(best, self._selection.keep_classes(classes))
        if slots.size == 0:
            return [()] * len(tubes.letterboxes)
        shown = []
        for letterbox, features in zip(tubes.letterboxes, tubes.mask_features):
            logits = self._segment(kernels[slots], features, letterbox, stages)
            with stages("masks"):
                shown.append(
                    instances_in_frame(
                        (slots + 1).tolist(),
                        classes[slots].tolist(),
                        best[slots],
                        logits,
                        letterbox,
                        self._stride,
                        self._mask_logit,
                    )
                )
        return shown
