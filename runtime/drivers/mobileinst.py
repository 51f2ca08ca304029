"""The frame-level driver of MobileInst: kernel reuse and kernel association (MobileInst §3.4, Eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.artefact import Artefact
from mobilevis.runtime.association import (
    Association,
    Kernels,
    OnlineAssociation,
    OverlapAssociation,
    SlotAssociation,
)
from mobilevis.runtime.drivers.options import InstanceOptions, class_filter
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import instances_in_frame, logit, maskness
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.stages import Stages

ASSOCIATIONS = ("slots", "online", "overlap")


@dataclass(frozen=True)
class MobileInstOptions(InstanceOptions):
    """How a MobileInst artefact is run.

    Attributes:
        keyframe_interval: T ≥ 1; kernels are computed on every T-th frame. None takes the artefact's own.
        association: ``slots`` (the paper's), ``online`` or ``overlap``: ``mobilevis.runtime.association``.
        mask_threshold: foreground probability of a mask pixel; 0.45 is SparseInst's.
        match_cosine: not with slots: least cosine of a detection with its track, for ``overlap`` with a lost
            one; None for the association's own.
        keep_lost: not with slots: keyframes that a track survives unseen.
        match_iou: overlap association: least overlap of a detection with its track.
    """

    keyframe_interval: Optional[int] = None
    association: str = "slots"
    mask_threshold: float = 0.45
    match_cosine: Optional[float] = None
    keep_lost: int = 10
    match_iou: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keyframe_interval is not None and self.keyframe_interval < 1:
            raise ValueError(f"the keyframe interval is {self.keyframe_interval}, it must be 1 or more")
        if self.association not in ASSOCIATIONS:
            raise ValueError(f"association {self.association} is not one of {', '.join(ASSOCIATIONS)}")
        if not 0.0 < self.match_iou <= 1.0:
            raise ValueError("match_iou lies in (0, 1]")
        if not -1.0 <= (self.match_cosine or 0.0) <= 1.0 or self.keep_lost < 0:
            raise ValueError("match_cosine lies in [-1, 1] and keep_lost is 0 or more")


@dataclass
class _Live:
    """The kernels of the last keyframe that are shown until the next one, by falling score."""

    kernels: NDArray[np.float32]  # (1, S, D), zeros beyond the live ones: the entry's shape is fixed
    ids: list[int]
    classes: list[int]
    scores: NDArray[np.float32]


class MobileInstDriver:
    """Runs ``encode`` and ``segment`` on every frame and ``decode`` on keyframes."""

    delay = 0

    def __init__(self, artefact: Artefact, options: MobileInstOptions) -> None:
        facts = artefact.metadata.options
        self._artefact = artefact
        self._options = options
        self._interval = options.keyframe_interval or int(facts["keyframe_interval"])
        self._max_instances = int(facts["max_instances"])
        self._stride = int(facts["mask_stride"])
        self._mask_logit = logit(options.mask_threshold)
        self._kept_classes = class_filter(artefact.metadata.classes, options.classes)
        self.reset()

    def reset(self) -> None:
        """Forget the video."""
        options = self._options
        self._frame_index = 0
        self._letterbox: Optional[Letterbox] = None
        self._live: Optional[_Live] = None
        self._association: Association = SlotAssociation()
        self._overlaps: Optional[OverlapAssociation] = None
        if options.association == "online":
            cosine = 0.5 if options.match_cosine is None else options.match_cosine
            self._association = OnlineAssociation(options.score_threshold, cosine, options.keep_lost)
        elif options.association == "overlap":
            cosine = 0.95 if options.match_cosine is None else options.match_cosine
            self._overlaps = OverlapAssociation(
                options.match_iou, match_cosine=cosine, keep_lost=options.keep_lost
            )

    def flush(self) -> list[FrameResult]:
        """Nothing is owed: every frame was answered at once."""
        return []

    def push(self, frame: NDArray[np.uint8]) -> list[FrameResult]:
        """Segment and track one frame, (H, W, 3) uint8 RGB."""
        stages = Stages()
        frame_size = (frame.shape[0], frame.shape[1])
        is_keyframe = self._frame_index % self._interval == 0
        with stages("frame"):
            with stages("resize"):
                if self._letterbox is None or self._letterbox.frame_size != frame_size:
                    self._letterbox = Letterbox.fit(frame_size, self._artefact.metadata.input_size)
                tensor = self._letterbox.to_input(frame)
            with stages("encode"):
                features = self._artefact.run("encode", {"frame": tensor})
            if is_keyframe:
                self._decode(features, stages)
            instances = self._segment(features["mask_features"], self._letterbox, is_keyframe, stages)
        result = FrameResult(self._frame_index, frame_size, instances, is_keyframe, stages.milliseconds)
        self._frame_index += 1
        return [result]

    def _decode(self, features: dict[str, NDArray[np.float32]], stages: Stages) -> None:
        with stages("decode"):
            wanted = self._artefact.metadata.entries["decode"].inputs
            decoded = self._artefact.run("decode", {tensor.name: features[tensor.name] for tensor in wanted})
        with stages("association"):
            kernels: Kernels = decoded["kernels"][0]
            class_scores = decoded["scores"][0]
            classes, scores = class_scores.argmax(axis=1), class_scores.max(axis=1)
            # Overlaps are known once there are masks: until then every detection is one.
            ids = np.ones(len(kernels), dtype=np.int64)
            if self._overlaps is None:
                ids = self._association.update(kernels, scores)
            wanted = (ids > 0) & (scores >= self._options.score_threshold)
            if self._kept_classes is not None:
                wanted &= self._kept_classes[classes]
            best = np.argsort(-scores, kind="stable")
            best = best[wanted[best]][: self._max_instances]
            slots = np.zeros((1, self._max_instances, kernels.shape[1]), dtype=np.float32)
            slots[0, : best.size] = kernels[best]
            self._live = _Live(slots, ids[best].tolist(), classes[best].tolist(), scores[best])

    def _segment(
        self, mask_features: NDArray[np.float32], letterbox: Letterbox, is_keyframe: bool, stages: Stages
    ) -> tuple[Instance, ...]:
        live = self._live
        if live is None or not live.ids:
            if self._overlaps is not None and is_keyframe and live is not None:
                self._overlaps.update(live.kernels[0, :0], live.scores, np.zeros((0, 1, 1), dtype=np.bool_))
            return ()
        with stages("segment"):
            output = self._artefact.run("segment", {"kernels": live.kernels, "mask_features": mask_features})
        with stages("masks"):
            rows, columns = letterbox.content_cells(self._stride)
            logits = output["mask_logits"][0, : len(live.ids), :rows, :columns]
            if is_keyframe:
                # Rescored once: frames that reuse the kernels reuse the class scores too (Fig. 6).
                live.scores = live.scores * maskness(logits, self._mask_logit)
        if self._overlaps is not None:
            with stages("association"):
                live, logits = self._follow(self._overlaps, live, logits, is_keyframe)
        with stages("masks"):
            return instances_in_frame(
                live.ids,
                live.classes,
                live.scores,
                logits,
                letterbox,
                self._stride,
                self._mask_logit,
                self._options.score_threshold,
            )

    def _follow(
        self,
        overlaps: OverlapAssociation,
        live: _Live,
        logits: NDArray[np.float32],
        is_keyframe: bool,
    ) -> tuple[_Live, NDArray[np.float32]]:
        """Give the live kernels identities by their masks; returns those that are left, and their logits."""
        masks = logits > self._mask_logit
        if not is_keyframe:
            overlaps.observe(np.array(live.ids, dtype=np.int64), masks)
            return live, logits
        best = np.argsort(-live.scores, kind="stable")
        ids = overlaps.update(live.kernels[0, best], live.scores[best], masks[best])
        best, ids = best[ids > 0], ids[ids > 0]
        slots = np.zeros_like(live.kernels)
        slots[0, : best.size] = live.kernels[0, best]
        classes = [live.classes[index] for index in best]
        self._live = _Live(slots, ids.tolist(), classes, live.scores[best])
        return self._live, logits[best]
