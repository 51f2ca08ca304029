"""The frame-level driver of MobileInst: kernel reuse and kernel association (MobileInst §3.4, Eq. 2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.artefact import Artefact
from mobilevis.runtime.association.appearance import AppearanceAssociation, appearance
from mobilevis.runtime.association.fusion import fusion_weights
from mobilevis.runtime.association.kernels import Association, OnlineAssociation, SlotAssociation
from mobilevis.runtime.drivers.frames import Features, FrameEncoder, Selection, run_entry
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.errors import suggest
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import instances_in_frame, logit, maskness
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.stages import Stages

ASSOCIATIONS = ("slots", "online", "appearance")


@dataclass(frozen=True)
class MobileInstOptions(InstanceOptions):
    """How a MobileInst artefact is run.

    Attributes:
        keyframe_interval: T ≥ 1; kernels are computed on every T-th frame. None takes the artefact's own.
        association: ``slots`` (the paper's), ``online`` or ``appearance`` (the best measured); see
            ``mobilevis.runtime.association``.
        mask_threshold: foreground probability of a mask pixel; 0.45 is SparseInst's.
        match_cosine: online association: least cosine of a detection's kernel with its track's.
        match_similarity: appearance association: least similarity of a detection with its track.
        birth_score: appearance association: least score of a detection that starts a track.
        keep_lost: keyframes (online) or frames (appearance) that a track survives unseen; None for its own
            default.
    """

    keyframe_interval: Optional[int] = None
    association: str = "slots"
    mask_threshold: float = 0.45
    match_cosine: float = OnlineAssociation.match_cosine
    match_similarity: float = AppearanceAssociation.match_similarity
    birth_score: float = AppearanceAssociation.birth_score
    keep_lost: Optional[int] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keyframe_interval is not None and self.keyframe_interval < 1:
            raise ValueError(f"the keyframe interval is {self.keyframe_interval}, it must be 1 or more")
        if self.association not in ASSOCIATIONS:
            raise ValueError(
                f"unknown association {self.association}; {suggest(self.association, ASSOCIATIONS)}"
            )
        if not -1.0 <= self.match_cosine <= 1.0 or not -1.0 <= self.match_similarity <= 2.0:
            raise ValueError("match_cosine lies in [-1, 1] and match_similarity in [-1, 2]")
        if not 0.0 <= self.birth_score <= 1.0:
            raise ValueError(f"birth_score is {self.birth_score}, scores lie in [0, 1]")
        if self.keep_lost is not None and self.keep_lost < 0:
            raise ValueError("keep_lost is 0 or more")


@dataclass
class _Live:
    """The kernels of the last keyframe that are shown until the next one, by falling score."""

    kernels: NDArray[np.float32]  # (1, S, D), zeros beyond the live ones: the entry's shape is fixed
    ids: NDArray[np.int64]  # all 0 with appearances, which give identities to masks
    class_scores: NDArray[np.float32]  # (live, L)


@dataclass
class _Shown:
    """What a frame shows, one row for each mask."""

    ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32]  # (rows, h, w), of the content's cells


class MobileInstDriver:
    """Runs ``encode`` and ``segment`` on every frame and ``decode`` on keyframes."""

    delay = 0

    def __init__(self, artefact: Artefact, options: MobileInstOptions) -> None:
        facts = artefact.metadata.options
        self._artefact = artefact
        self._interval = options.keyframe_interval or int(facts["keyframe_interval"])
        self.options = replace(options, keyframe_interval=self._interval)
        self._encoder = FrameEncoder(artefact)
        self._selection = Selection(artefact, options)
        self._stride = int(facts["mask_stride"])
        self._mask_logit = logit(options.mask_threshold)
        self.reset()

    def reset(self) -> None:
        """Forget the video."""
        options = self.options
        self._frame_index = 0
        self._live: Optional[_Live] = None
        self._association: Association = SlotAssociation()
        self._appearances: Optional[AppearanceAssociation] = None
        kept: dict[str, Any] = {} if options.keep_lost is None else {"keep_lost": options.keep_lost}
        if options.association == "online":
            self._association = OnlineAssociation(options.score_threshold, options.match_cosine, **kept)
        elif options.association == "appearance":
            self._appearances = AppearanceAssociation(options.match_similarity, options.birth_score, **kept)

    def flush(self) -> list[FrameResult]:
        """Nothing is owed: every frame was answered at once."""
        return []

    def push(self, frame: NDArray[np.uint8]) -> list[FrameResult]:
        """Segment and track one frame, (H, W, 3) uint8 RGB."""
        stages = Stages()
        is_keyframe = self._frame_index % self._interval == 0
        with stages("frame"):
            features, letterbox = self._encoder.encode(frame, stages)
            if is_keyframe:
                self._decode(features, stages)
            instances = self._segment(features["mask_features"], letterbox, is_keyframe, stages)
        result = FrameResult(
            self._frame_index, letterbox.frame_size, instances, is_keyframe, stages.milliseconds
        )
        self._frame_index += 1
        return [result]

    def _decode(self, features: Features, stages: Stages) -> None:
        with stages("decode"):
            decoded = run_entry(self._artefact, "decode", features)
        with stages("association"):
            kernels: NDArray[np.float32] = decoded["kernels"][0]
            class_scores = decoded["scores"][0]
            classes, scores = class_scores.argmax(axis=1), class_scores.max(axis=1)
            kept = np.ones(len(kernels), dtype=np.bool_)
            ids = np.zeros(len(kernels), dtype=np.int64)
            if self._appearances is None:
                ids = self._association.update(kernels, scores)
                kept = (ids > 0) & self._selection.keep_classes(classes)
            best = self._selection.choose(scores, kept)
            self._live = _Live(self._selection.pad(kernels[best])[None], ids[best], class_scores[best])

    def _segment(
        self, mask_features: NDArray[np.float32], letterbox: Letterbox, is_keyframe: bool, stages: Stages
    ) -> tuple[Instance, ...]:
        live, tracks = self._live, self._appearances
        if live is None or not live.ids.size:
            if tracks is not None:
                tracks.update_without_detections()
            return ()
        with stages("segment"):
            output = self._artefact.run("segment", {"kernels": live.kernels, "mask_features": mask_features})
        whole = output["mask_logits"][0, : live.ids.size]
        rows, columns = letterbox.content_cells(self._stride)
        logits = whole[:, :rows, :columns]
        if tracks is not None:
            with stages("association"):
                shown = self._follow(tracks, live.class_scores, whole, (rows, columns), mask_features)
        else:
            if is_keyframe:
                # Rescored once: frames that reuse the kernels reuse the class scores too (Fig. 6).
                with stages("masks"):
                    live.class_scores = live.class_scores * maskness(logits, self._mask_logit)[:, None]
            classes, scores = live.class_scores.argmax(axis=1), live.class_scores.max(axis=1)
            shown = _Shown(live.ids, classes, scores, logits)
        with stages("masks"):
            return instances_in_frame(
                shown.ids.tolist(),
                shown.classes.tolist(),
                shown.scores,
                shown.logits,
                letterbox,
                self._stride,
                self._mask_logit,
                self.options.score_threshold,
            )

    def _follow(
        self,
        tracks: AppearanceAssociation,
        class_scores: NDArray[np.float32],
        whole: NDArray[np.float32],
        content: tuple[int, int],
        mask_features: NDArray[np.float32],
    ) -> _Shown:
        """Fuse the masks on each object and give them the identities and classes of tracks.

        On every frame, as a kernel that is reused may lose its object to another kernel: best kernels found
        anew two frames after the keyframe had an AP of 58.7, those of the keyframe 53.6.
        """
        rows, columns = content
        logits = whole[:, :rows, :columns]
        class_scores = class_scores * maskness(logits, self._mask_logit)[:, None]
        scores = class_scores.max(axis=1)
        seen = np.flatnonzero((scores > 0.0) & (scores >= self.options.score_threshold))
        weights = fusion_weights(scores[seen], logits[seen] > self._mask_logit)
        class_scores = (class_scores[seen] * (weights > 0.0)[..., None]).max(axis=1, initial=0.0)
        whole = np.tensordot(weights, whole[seen], axes=1)
        logits = whole[:, :rows, :columns]
        masks = logits > self._mask_logit
        held = np.flatnonzero(masks.any(axis=(1, 2)))
        looks = appearance(mask_features[0], whole[held], self._mask_logit)
        ids, classes = tracks.update(looks, class_scores[held], masks[held])
        wanted = (ids > 0) & self._selection.keep_classes(classes)
        held, scores = held[wanted], class_scores[held[wanted]].max(axis=1, initial=0.0)
        return _Shown(ids[wanted], classes[wanted], scores, logits[held])
