"""The clip-level driver of EfficientVIS: a clip's output queries start the next one (§3.3, Fig. 3b)."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.drivers.clips import Clip, ClipBuffer, frame_milliseconds
from mobilevis.runtime.drivers.frames import EncodedFrame, FrameEncoder, Selection, join_frames
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import box_to_frame, logit
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.stages import Stages


class _Found(NamedTuple):
    """The S tracklets of a clip that are shown.

    Attributes:
        slots: (S,), their queries' indices.
        classes: (S,), by the mean score over the clip's frames.
        scores: (T, S), of that class in each frame: low where the instance is not seen.
        boxes: (T, S, 4).
        mask_logits: (T, S, m, m).
    """

    slots: NDArray[np.int64]
    classes: NDArray[np.int64]
    scores: Array
    boxes: Array
    mask_logits: Array


class EfficientVISDriver:
    """Runs ``encode`` on every frame, ``decode`` and ``segment`` on every clip of T frames.

    A query is a track for the whole video, so identities need no association and N bounds their number. The
    last clip of a video, or a video of fewer than T frames, is padded with its last frame, whose repeats are
    not answered. The pyramids of T frames are held in memory.
    """

    def __init__(self, artefact: Artefact, options: InstanceOptions) -> None:
        self._artefact = artefact
        self.options = options
        self._encoder = FrameEncoder(artefact)
        self._selection = Selection(artefact, options)
        self._least_score = options.score_threshold
        self._clips: ClipBuffer[EncodedFrame] = ClipBuffer(
            Facts(artefact.metadata).whole_number("clip_length")
        )
        state = {tensor.name: tensor.shape for tensor in artefact.metadata.entries["decode"].inputs}
        self._state_shapes = {name: state[name] for name in ("queries", "carried")}
        self._mask_logit = logit(options.mask_threshold)
        self.reset()

    @property
    def delay(self) -> int:
        """T − 1: the first frame of a clip waits for its last."""
        return self._clips.delay

    @property
    def best_score(self) -> float:
        """See ``Driver``."""
        return self._selection.best_score

    def reset(self) -> None:
        """Forget the video."""
        self._clips.reset()
        # No tracklet is carried: all start from the queries that were learned.
        self._state = {name: np.zeros(shape, np.float32) for name, shape in self._state_shapes.items()}

    def push(self, frame: NDArray[np.uint8]) -> list[FrameResult]:
        """Encode one frame, (H, W, 3) uint8 RGB; answer the clip that it completes."""
        clip = self._clips.push(self._encoder.encode_for_clip(frame))
        return [] if clip is None else self._answer(clip)

    def flush(self) -> list[FrameResult]:
        """The frames of the last clip."""
        clip = self._clips.flush()
        return [] if clip is None else self._answer(clip)

    def _answer(self, clip: Clip[EncodedFrame]) -> list[FrameResult]:
        stages = Stages()
        with stages("frame"):
            found = self._track(clip, stages)
            with stages("masks"):
                instances = [self._instances(found, place, clip.items[place].letterbox) for place in clip.new]
        return [
            FrameResult(
                clip.first + place,
                clip.items[place].letterbox.frame_size,
                shown,
                True,
                frame_milliseconds(clip.items[place].milliseconds, stages.milliseconds, len(clip.new)),
            )
            for place, shown in zip(clip.new, instances)
        ]

    def _track(self, clip: Clip[EncodedFrame], stages: Stages) -> Optional[_Found]:
        """Decode a clip, keep its queries for the next one, and segment what is found."""
        with stages("decode"):
            levels = join_frames(clip.items)
            decoded = self._artefact.run("decode", {**levels, **self._state})
        self._state = {"queries": decoded["next_queries"], "carried": np.ones_like(self._state["carried"])}
        scores = decoded["scores"]
        real = scores[clip.new.start : clip.new.stop]
        self._selection.watch(real.reshape(-1, real.shape[-1]))
        classes = real.mean(axis=0).argmax(axis=1)
        best = real.max(axis=0)[np.arange(classes.size), classes]
        slots = self._selection.choose(best, self._selection.keep_classes(classes))
        if slots.size == 0:
            return None
        boxes, attended = decoded["boxes"][:, slots], decoded["attended"][:, slots]
        live = {"attended": self._selection.pad(attended, 1), "boxes": self._selection.pad(boxes, 1)}
        with stages("segment"):
            logits = self._artefact.run("segment", {**levels, **live})["mask_logits"]
        return _Found(slots, classes[slots], scores[:, slots, classes[slots]], boxes, logits)

    def _instances(self, found: Optional[_Found], place: int, letterbox: Letterbox) -> tuple[Instance, ...]:
        """What one frame of the clip shows, by falling score."""
        if found is None:
            return ()
        instances = []
        for index in np.argsort(-found.scores[place], kind="stable"):
            score = float(found.scores[place, index])
            if score < self._least_score:
                break
            placed = box_to_frame(
                found.mask_logits[place, index], found.boxes[place, index], letterbox, self._mask_logit
            )
            if placed is not None:
                box, mask = placed
                identity, category = int(found.slots[index]) + 1, int(found.classes[index])
                instances.append(
                    Instance(identity, category, min(score, 1.0), box, mask, letterbox.frame_size)
                )
        return tuple(instances)
