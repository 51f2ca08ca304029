"""The clip-level driver of SeqFormer and TAFormer: overlapping clips, joined where their masks overlap.

The paper's inference gives the whole video to the network at once: an artefact whose clip is as long as the
video runs so, and nothing has to be joined. Shorter clips are joined as SeqFormer's public code does it for
long videos: by the soft IoU of masks on the frames that two clips share. That code averages the masks of all
clips over a frame; here the first clip that holds a frame answers it, and no frame waits for the next clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.overlap import OverlapAssociation
from mobilevis.runtime.drivers.clips import Clip, ClipBuffer, frame_milliseconds
from mobilevis.runtime.drivers.frames import (
    EncodedFrame,
    Features,
    FrameEncoder,
    Selection,
    join_frames,
    run_entry,
)
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import instances_in_frame, logit
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.stages import Stages

SHARED_FRAMES = 2  # by default: an object that is hidden in one of them is still seen in the other


@dataclass(frozen=True)
class SeqFormerOptions(InstanceOptions):
    """How a SeqFormer or TAFormer artefact is run.

    Attributes:
        clip_stride: frames from the start of a clip to the start of the next, 1 … T; None takes T − 2, at
            least 1. T gives clips that share no frame and whose identities have nothing in common.
        match_iou: least soft IoU of an instance with its track on the shared frames; 0.01 is the public
            code's.
    """

    clip_stride: Optional[int] = None
    match_iou: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.match_iou <= 1.0:
            raise ValueError(f"match_iou {self.match_iou} is not in (0, 1]")


@dataclass(frozen=True)
class _Found:
    """The kept instances of a clip, by falling score."""

    queries: NDArray[np.int64]
    classes: NDArray[np.int64]
    scores: Array


class SeqFormerDriver:
    """Runs ``encode`` on each frame, ``decode`` on each clip and ``segment`` on each frame of a clip.

    The class and score of an instance are its clip's. The last clip of a video is filled up by repeating the
    last frame.
    """

    def __init__(self, artefact: Artefact, options: SeqFormerOptions) -> None:
        facts = Facts(artefact.metadata)
        length = facts.whole_number("clip_length")
        stride = max(1, length - SHARED_FRAMES) if options.clip_stride is None else options.clip_stride
        self._artefact = artefact
        self.options = options
        self._encoder = FrameEncoder(artefact)
        self._selection = Selection(artefact, options)
        self._stride = facts.whole_number("mask_stride")
        self._mask_logit = logit(options.mask_threshold)
        self._buffer = ClipBuffer[EncodedFrame](length, stride)
        self.reset()

    @property
    def delay(self) -> int:
        """T − 1: a frame's result waits for its clip."""
        return self._buffer.delay

    @property
    def best_score(self) -> float:
        """See ``Driver``."""
        return self._selection.best_score

    def reset(self) -> None:
        """Forget the video."""
        self._buffer.reset()
        self._tracks = OverlapAssociation(self.options.match_iou)

    def push(self, frame: NDArray[np.uint8]) -> list[FrameResult]:
        """Take the next frame, (H, W, 3) uint8 RGB; the results of the clip that it completes."""
        clip = self._buffer.push(self._encoder.encode_for_clip(frame))
        return [] if clip is None else self._answer(clip)

    def flush(self) -> list[FrameResult]:
        """The results of the frames that no full clip held."""
        clip = self._buffer.flush()
        return [] if clip is None else self._answer(clip)

    def _answer(self, clip: Clip[EncodedFrame]) -> list[FrameResult]:
        stages, letterbox = Stages(), clip.items[0].letterbox
        with stages("frame"):
            with stages("decode"):
                decoded = run_entry(self._artefact, "decode", join_frames(clip.items))
            found = self._select(decoded["scores"][0])
            with stages("segment"):
                masks = {
                    clip.first + position: self._segment(decoded, found, position, letterbox)
                    for position in range(clip.new.stop)
                }
            with stages("association"):
                ids = self._tracks.update(masks, len(found.queries))
            with stages("masks"):
                instances = [
                    instances_in_frame(
                        ids,
                        found.classes.tolist(),
                        found.scores,
                        masks[clip.first + position],
                        letterbox,
                        self._stride,
                        self._mask_logit,
                    )
                    for position in clip.new
                ]
        return [
            FrameResult(
                frame_index=clip.first + position,
                frame_size=letterbox.frame_size,
                instances=kept,
                is_keyframe=True,
                milliseconds=frame_milliseconds(
                    clip.items[position].milliseconds, stages.milliseconds, len(clip.new)
                ),
            )
            for position, kept in zip(clip.new, instances)
        ]

    def _select(self, class_scores: Array) -> _Found:
        """The best queries, with one class each; SeqFormer takes the ten best pairs of query and class."""
        self._selection.watch(class_scores)
        classes, scores = class_scores.argmax(axis=1), class_scores.max(axis=1)
        best = self._selection.choose(scores, self._selection.keep_classes(classes))
        return _Found(best, classes[best], scores[best])

    def _segment(self, decoded: Features, found: _Found, position: int, letterbox: Letterbox) -> Array:
        """Mask logits (S, h, w) of the found instances in one frame of the clip, without the padding."""
        count, rows, columns = len(found.queries), *letterbox.content_cells(self._stride)
        if count == 0:
            return np.zeros((0, rows, columns), dtype=np.float32)
        kernels = self._selection.pad(decoded["kernels"][0, found.queries])[None]
        points = self._selection.pad(decoded["points"][position, found.queries])[None]
        features = decoded["mask_features"][position : position + 1]
        output = self._artefact.run(
            "segment", {"kernels": kernels, "points": points, "mask_features": features}
        )
        return output["mask_logits"][0, :count, :rows, :columns]
