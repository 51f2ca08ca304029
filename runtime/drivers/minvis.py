"""The frame-level driver of MinVIS: the queries of a frame are those of the last one, matched by cosine.

Models whose decoder or tracker does more derive from it: they replace ``_decode`` or ``_track``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.kernels import SlotAssociation
from mobilevis.runtime.drivers.frames import Features, FrameEncoder, Selection, run_entry
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import instances_in_frame, logit
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.stages import Stages


@dataclass(frozen=True)
class Detections:
    """What the network says of the N queries of a frame.

    Attributes:
        kernels: (N, D).
        scores: (N, C).
        ids: (N,) identities, from 1.
    """

    kernels: Array
    scores: Array
    ids: NDArray[np.int64]


class MinVISDriver:
    """Runs ``encode``, ``decode`` and ``segment`` on every frame.

    The score of an instance is its frame's: the mean of the logits over the whole video that MinVIS reports
    is not known while the video runs.
    """

    delay = 0

    def __init__(self, artefact: Artefact, options: InstanceOptions) -> None:
        self._artefact = artefact
        self.options = options
        self._encoder = FrameEncoder(artefact)
        self._selection = Selection(artefact, options)
        self._stride = Facts(artefact.metadata).whole_number("mask_stride")
        self._mask_logit = logit(options.mask_threshold)
        self.reset()

    @property
    def best_score(self) -> float:
        """See ``Driver``."""
        return self._selection.best_score

    def reset(self) -> None:
        """Forget the video."""
        self._frame_index = 0
        self._association = SlotAssociation()

    def flush(self) -> list[FrameResult]:
        """Nothing is owed: every frame was answered at once."""
        return []

    def push(self, frame: NDArray[np.uint8]) -> list[FrameResult]:
        """Segment and track one frame, (H, W, 3) uint8 RGB."""
        stages = Stages()
        with stages("frame"):
            features, letterbox = self._encoder.encode(frame, stages)
            detections = self._track(self._decode(features, stages), stages)
            instances = self._segment(detections, features["mask_features"], letterbox, stages)
        result = FrameResult(self._frame_index, letterbox.frame_size, instances, True, stages.milliseconds)
        self._frame_index += 1
        return [result]

    def _decode(self, features: Features, stages: Stages) -> Features:
        """The decoder, to what its queries say."""
        with stages("decode"):
            return run_entry(self._artefact, "decode", features)

    def _track(self, read: Features, stages: Stages) -> Detections:
        """MinVIS §3.3: linear assignment by the cosine of all embeddings to those of the last frame."""
        scores = read["scores"][0]
        self._selection.watch(scores)
        with stages("association"):
            ids = self._association.update(read["embeddings"][0], scores.max(axis=1))
        return Detections(read["kernels"][0], scores, ids)

    def _segment(
        self, detections: Detections, mask_features: Array, letterbox: Letterbox, stages: Stages
    ) -> tuple[Instance, ...]:
        classes, scores = detections.scores.argmax(axis=1), detections.scores.max(axis=1)
        best = self._selection.choose(scores, self._selection.keep_classes(classes))
        if best.size == 0:
            return ()
        kernels = self._selection.pad(detections.kernels[best])[None]
        with stages("segment"):
            output = self._artefact.run("segment", {"kernels": kernels, "mask_features": mask_features})
        with stages("masks"):
            rows, columns = letterbox.content_cells(self._stride)
            logits = output["mask_logits"][0, : best.size, :rows, :columns]
            return instances_in_frame(
                detections.ids[best].tolist(),
                classes[best].tolist(),
                scores[best],
                logits,
                letterbox,
                self._stride,
                self._mask_logit,
            )
