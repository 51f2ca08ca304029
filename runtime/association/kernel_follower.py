"""Followers that give identities to kernels, on keyframes; the frames between keep them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.follower import FrameMasks, Setting, Tracked
from mobilevis.runtime.association.kernels import KernelAssociation, OnlineAssociation, SlotAssociation
from mobilevis.runtime.stages import Stages


class KernelFollower:
    """See ``Follower``; what a keyframe's kernels are, their masks are until the next keyframe."""

    def __init__(self, association: KernelAssociation, setting: Setting) -> None:
        self._association = association
        self._setting = setting

    def on_keyframe(self, kernels: Array, class_scores: Array) -> NDArray[np.intp]:
        """See ``Follower``."""
        classes, scores = class_scores.argmax(axis=1), class_scores.max(axis=1)
        ids = self._association.update(kernels, scores)
        wanted = (ids > 0) & self._setting.choice.keep_classes(classes)
        chosen = self._setting.choice.choose(scores, wanted)
        self._ids, self._class_scores = ids[chosen], class_scores[chosen]
        self._is_rescored = False
        return chosen

    def on_masks(self, masks: FrameMasks, stages: Stages) -> Tracked:
        """See ``Follower``."""
        boxes = None
        if not self._is_rescored:
            # Rescored once: frames that reuse the kernels reuse the class scores too (Fig. 6).
            with stages("masks"):
                quality = np.array([shown.maskness for shown in masks.foregrounds], dtype=np.float32)
                self._class_scores = self._class_scores * quality[:, None]
                boxes = [shown.region.box for shown in masks.foregrounds]
            self._is_rescored = True
        classes, scores = self._class_scores.argmax(axis=1), self._class_scores.max(axis=1)
        return Tracked(self._ids, classes, scores, masks.logits, boxes)

    def on_no_masks(self) -> None:
        """Nothing to do: kernels are followed from keyframe to keyframe."""


def follow_slots(setting: Setting) -> KernelFollower:
    """The association ``slots``."""
    return KernelFollower(SlotAssociation(), setting)


def follow_online(setting: Setting, match_cosine: float, keep_lost: int) -> KernelFollower:
    """The association ``online``."""
    return KernelFollower(OnlineAssociation(setting.score_threshold, match_cosine, keep_lost), setting)
