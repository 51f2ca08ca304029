"""The clip-level driver of MaXTron-VPS: every pixel is one segment's, of a thing or of stuff, or void."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.drivers.maxtron import MaXTronDriver, MaXTronOptions, Tubes
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.query_segments import (
    gather_segments,
    mask_scores,
    paint,
    query_softmax,
    visible_segments,
)
from mobilevis.runtime.results import Instance
from mobilevis.runtime.stages import Stages


@dataclass(frozen=True)
class MaXTronVpsOptions(MaXTronOptions):
    """How a MaXTron-VPS artefact is run.

    Attributes:
        mask_threshold: least probability, among all queries, of a segment's pixel; what none reaches is void.
        stuff_threshold: ``score_threshold`` of the classes without instances.
    """

    mask_threshold: float = 0.3
    stuff_threshold: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.stuff_threshold <= 1.0:
            raise ValueError("the stuff threshold is a probability")


class MaXTronVpsDriver(MaXTronDriver):
    """Panoptic segments: things, and stuff by class; no two have the same pixel.

    A segment's score is its class's probability times the mean probability of its cells in the clip.
    """

    def __init__(self, artefact: Artefact, options: MaXTronVpsOptions) -> None:
        self._stuff = Facts(artefact.metadata).classes("stuff_classes")
        self._least = np.full(len(artefact.metadata.classes), options.score_threshold, dtype=np.float32)
        self._least[self._stuff] = options.stuff_threshold
        self._mask_threshold = options.mask_threshold
        super().__init__(artefact, options)

    def _draw(
        self, tubes: Tubes, kernels: Array, scores: Array, stages: Stages
    ) -> list[tuple[Instance, ...]]:
        logits = [
            self._segment(kernels, features, letterbox, stages)
            for letterbox, features in zip(tubes.letterboxes, tubes.mask_features)
        ]
        with stages("masks"):
            threshold = self._mask_threshold
            probabilities = query_softmax(np.stack(logits))
            classes = scores.argmax(axis=1)
            rated = scores.max(axis=1) * mask_scores(probabilities, threshold)
            wanted = (rated >= self._least[classes]) & self._selection.keep_classes(classes)
            segments = gather_segments(probabilities, classes, np.where(wanted, rated, 0.0), self._stuff)
            segments = visible_segments(segments, threshold)
            return [
                tuple(paint(segments, place, letterbox, self._stride, threshold))
                for place, letterbox in enumerate(tubes.letterboxes)
            ]
