"""The frame-level driver of MinVIS: the queries of a frame are those of the last one, matched by cosine.

Models whose decoder or tracker does more derive from it: they replace ``_decode`` or ``_track``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.artefact import Artefact
from mobilevis.runtime.association.kernels import SlotAssociation
from mobilevis.runtime.drivers.options import InstanceOptions, class_filter
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import instances_in_frame, logit
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.stages import Stages

Array = NDArray[np.float32]
Features = dict[str, Array]


@dataclass(frozen=True)
class MinVISOptions(InstanceOptions):
    """How a MinVIS artefact is run: no option of its own, its matching has no threshold."""


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
        facts = artefact.metadata.options
        self._artefact = artefact
        self._options = options
        self._max_instances = int(facts["max_instances"])
        self._stride = int(facts["mask_stride"])
        self._mask_logit = logit(options.mask_threshold)
        self._kept_classes = class_filter(artefact.metadata.classes, options.classes)
        self.reset()

    def reset(self) -> None:
        """Forget the video."""
        self._frame_index = 0
        self._letterbox: Optional[Letterbox] = None
        self._association = SlotAssociation()

    def flush(self) -> list[FrameResult]:
        """Nothing is owed: every frame was answered at once."""
        return []

    def push(self, frame: NDArray[np.uint8]) -> list[FrameResult]:
        """Segment and track one frame, (H, W, 3) uint8 RGB."""
        stages = Stages()
        frame_size = (frame.shape[0], frame.shape[1])
        with stages("frame"):
            with stages("resize"):
                if self._letterbox is None or self._letterbox.frame_size != frame_size:
                    self._letterbox = Letterbox.fit(frame_size, self._artefact.metadata.input_size)
                tensor = self._letterbox.to_input(frame)
            with stages("encode"):
                features = self._artefact.run("encode", {"frame": tensor})
            detections = self._track(self._decode(features, stages), stages)
            instances = self._segment(detections, features["mask_features"], self._letterbox, stages)
        result = FrameResult(self._frame_index, frame_size, instances, True, stages.milliseconds)
        self._frame_index += 1
        return [result]

    def _decode(self, features: Features, stages: Stages) -> Features:
        """The decoder, to what its queries say."""
        with stages("decode"):
            return self._run("decode", features)

    def _track(self, read: Features, stages: Stages) -> Detections:
        """MinVIS §3.3: linear assignment by the cosine of all embeddings to those of the last frame."""
        scores = read["scores"][0]
        with stages("association"):
            ids = self._association.update(read["embeddings"][0], scores.max(axis=1))
        return Detections(read["kernels"][0], scores, ids)

    def _run(self, entry: str, tensors: Features) -> Features:
        """Run an entry on those of the tensors that it takes."""
        wanted = self._artefact.metadata.entries[entry].inputs
        return self._artefact.run(entry, {tensor.name: tensors[tensor.name] for tensor in wanted})

    def _segment(
        self, detections: Detections, mask_features: Array, letterbox: Letterbox, stages: Stages
    ) -> tuple[Instance, ...]:
        classes, scores = detections.scores.argmax(axis=1), detections.scores.max(axis=1)
        wanted = scores >= self._options.score_threshold
        if self._kept_classes is not None:
            wanted &= self._kept_classes[classes]
        best = np.argsort(-scores, kind="stable")
        best = best[wanted[best]][: self._max_instances]
        if best.size == 0:
            return ()
        kernels = np.zeros((1, self._max_instances, detections.kernels.shape[1]), dtype=np.float32)
        kernels[0, : best.size] = detections.kernels[best]
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
