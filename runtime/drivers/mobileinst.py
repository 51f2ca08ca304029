"""The frame-level driver of MobileInst: kernel reuse and kernel association (MobileInst §3.4, Eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass, replace
from typing import Any, Optional

from mobilevis.runtime.arrays import Array, Image
from mobilevis.runtime.association import find_association
from mobilevis.runtime.association.camera_watch import CameraWatch
from mobilevis.runtime.association.follower import Follower, FrameMasks, Setting
from mobilevis.runtime.choices import Option
from mobilevis.runtime.drivers.frames import Features, FrameEncoder, Selection, run_entry
from mobilevis.runtime.drivers.mobileinst_facts import check_queries, check_streaming
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import Facts
from mobilevis.runtime.keyframes import FIXED, Keyframes, find_policy
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import instances_in_frame, logit, part_masks
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.stages import Stages


@dataclass(frozen=True)
class MobileInstOptions(InstanceOptions):
    """How a MobileInst artefact is run; the policy's and the association's own options come beside these.

    Attributes:
        keyframe_interval: T ≥ 1; kernels are computed on one of T frames. None takes the artefact's own.
        keyframe_policy: a name in ``mobilevis.runtime.keyframes.KEYFRAME_POLICIES``: which frame that is.
        association: a name in ``mobilevis.runtime.association.ASSOCIATIONS``.
        mask_threshold: foreground probability of a mask pixel; 0.45 is SparseInst's.
        part_masks: whether what several instances of a class claim goes to one of them, see
            ``mobilevis.runtime.masks.part_masks``; the paper's masks may overlap.
    """

    keyframe_interval: Optional[int] = None
    keyframe_policy: str = FIXED
    association: str = "slots"
    mask_threshold: float = 0.45
    part_masks: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keyframe_interval is not None and self.keyframe_interval < 1:
            raise ValueError(f"the keyframe interval is {self.keyframe_interval}, it must be 1 or more")
        for option in _chosen_options(self.association, self.keyframe_policy):
            option.check(getattr(self, option.name))

    @classmethod
    def extend(cls, given: Mapping[str, Any]) -> type[InstanceOptions]:
        """Add the options of the association and the policy that are given, or of the default ones."""
        association = given.get("association", cls.association)
        policy = given.get("keyframe_policy", cls.keyframe_policy)
        if not isinstance(association, str) or not isinstance(policy, str):
            return cls
        chosen = _chosen_options(association, policy)
        own = [(option.name, type(option.default), option.default) for option in chosen]
        return make_dataclass(cls.__name__, own, bases=(cls,), frozen=True)


def _chosen_options(association: str, policy: str) -> tuple[Option, ...]:
    return (*find_association(association).options, *find_policy(policy).options)


class MobileInstDriver:
    """Runs ``encode`` and ``segment`` on every frame and ``decode`` on keyframes.

    An artefact that has ``propagate`` runs it in place of ``encode`` on the frames between keyframes.
    """

    delay = 0
    same_object_iou = 0.4  # of masks that several queries make of one object
    still_one_iou = same_object_iou  # a reused kernel may lose its object to another one
    class_weight = 0.8
    follows_camera = False
    embedding_weight = 0.0  # kernels keep much of their query, whatever it shows
    place_channels = 0  # of the mask features that say where, not what; the last ones
    _keyframe_features: Array  # of the last keyframe

    def __init__(self, artefact: Artefact, options: MobileInstOptions) -> None:
        facts = Facts(artefact.metadata)
        self._check(facts)
        self._artefact = artefact
        self._interval = options.keyframe_interval or facts.whole_number("keyframe_interval")
        self.options = replace(options, keyframe_interval=self._interval)
        self._encoder = FrameEncoder(artefact)
        self._propagates = "propagate" in artefact.metadata.entries
        self._selection = Selection(artefact, options)
        self._stride = facts.whole_number("mask_stride")
        self._mask_logit = logit(options.mask_threshold)
        self.reset()

    def _check(self, facts: Facts) -> None:
        check_streaming(facts)
        check_queries(facts)

    @property
    def best_score(self) -> float:
        """See ``Driver``."""
        return self._selection.best_score

    def reset(self) -> None:
        """Forget the video."""
        self._frame_index = 0
        size = self._artefact.metadata.input_size
        self._camera = CameraWatch(size, self._propagates) if self.follows_camera else None
        self._follower = self.make_follower(self._selection, self.options, self._camera)
        policy = find_policy(self.options.keyframe_policy)
        self._keyframes: Keyframes = policy.start(self._interval, self.options)

    @classmethod
    def make_follower(
        cls, selection: Selection, options: MobileInstOptions, camera: Optional[CameraWatch]
    ) -> Follower:
        """What says who is who in a video of this family's, by the association of the options."""
        setting = Setting(
            selection,
            options.score_threshold,
            cls.same_object_iou,
            cls.still_one_iou,
            cls.class_weight,
            camera,
            cls.embedding_weight,
        )
        return find_association(options.association).make_follower(setting, options)

    def flush(self) -> list[FrameResult]:
        """Nothing is owed: every frame was answered at once."""
        return []

    def push(self, frame: Image) -> list[FrameResult]:
        """Segment and track one frame, (H, W, 3) uint8 RGB."""
        stages = Stages()
        with stages("frame"):
            is_keyframe, features, letterbox = self._look(frame, stages)
            if self._camera is not None:
                self._camera.show(self._encoder.picture)
            if is_keyframe:
                self._keyframe_features = features["mask_features"]
                self._decode(features, stages)
            else:
                self._reuse(features, stages)
            instances = self._segment(features["mask_features"], letterbox, stages)
        result = FrameResult(
            self._frame_index, letterbox.frame_size, instances, is_keyframe, stages.milliseconds
        )
        self._frame_index += 1
        return [result]

    def _look(self, frame: Image, stages: Stages) -> tuple[bool, Features, Letterbox]:
        """Whether a frame is a keyframe, what the network sees in it, and where it lies in the input."""
        keyframes = self._keyframes
        if not self._propagates:
            features, letterbox = self._encoder.encode(frame, stages)
            if not keyframes.reads_features:
                return keyframes.decide(), features, letterbox
            with stages("policy"):
                return keyframes.decide(self._learned(features, letterbox)), features, letterbox
        # Which entry reads the frame hangs on what the frames before it showed.
        if keyframes.decide():
            return True, *self._encoder.encode(frame, stages)
        features, letterbox = self._encoder.propagate(frame, self._keyframe_features, stages)
        if keyframes.reads_features:
            with stages("policy"):
                keyframes.watch(self._learned(features, letterbox))
        return False, features, letterbox

    def _learned(self, features: Features, letterbox: Letterbox) -> Array:
        """A frame's mask features (D, h, w), without the padding and the channels that say where."""
        mask_features = features["mask_features"][0]
        channels = len(mask_features) - self.place_channels
        rows, columns = letterbox.content_cells(letterbox.input_size[0] // mask_features.shape[1])
        return mask_features[:channels, :rows, :columns]

    def _decode(self, features: Features, stages: Stages) -> None:
        with stages("decode"):
            decoded = run_entry(self._artefact, "decode", features)
        with stages("association"):
            kernels = decoded["kernels"][0]
            self._selection.watch(decoded["scores"][0])
            chosen = self._follower.on_keyframe(kernels, decoded["scores"][0])
            self._shown = len(chosen)
            self._kernels = self._selection.pad(kernels[chosen])[None]

    def _reuse(self, features: Features, stages: Stages) -> None:
        """On the frames between keyframes, kernels serve as they are."""

    def _segment(self, mask_features: Array, letterbox: Letterbox, stages: Stages) -> tuple[Instance, ...]:
        if not self._shown:
            self._follower.on_no_masks()
            return ()
        with stages("segment"):
            output = self._artefact.run("segment", {"kernels": self._kernels, "mask_features": mask_features})
        whole, content = output["mask_logits"][0, : self._shown], letterbox.content_cells(self._stride)
        masks = FrameMasks(whole, content, mask_features, self._mask_logit)
        return self._follow(masks, letterbox, stages)

    def _follow(self, masks: FrameMasks, letterbox: Letterbox, stages: Stages) -> tuple[Instance, ...]:
        """Who is who among a frame's masks, and each in the frame's own pixels."""
        tracked = self._follower.on_masks(masks, stages)
        with stages("masks"):
            logits, boxes = tracked.logits, tracked.boxes
            if self.options.part_masks:
                logits = part_masks(logits, tracked.classes, tracked.scores, self._mask_logit, boxes)
            return instances_in_frame(
                tracked.ids.tolist(),
                tracked.classes.tolist(),
                tracked.scores,
                logits,
                letterbox,
                self._stride,
                self._mask_logit,
                self.options.score_threshold,
                boxes,
            )
