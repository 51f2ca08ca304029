"""A follower that gives identities to masks, on every frame, by what the features show under them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.appearance import AppearanceAssociation, appearance
from mobilevis.runtime.association.follower import FrameMasks, Setting, Tracked
from mobilevis.runtime.association.fusion import fusion_weights
from mobilevis.runtime.masks import maskness
from mobilevis.runtime.stages import Stages


class AppearanceFollower:
    """See ``Follower``.

    Identities are given on every frame, as a kernel that is reused may lose its object to another kernel:
    best kernels found anew two frames after the keyframe had an AP of 58.7, those of the keyframe 53.6.
    """

    def __init__(self, association: AppearanceAssociation, setting: Setting) -> None:
        self._association = association
        self._setting = setting

    def on_keyframe(self, kernels: Array, class_scores: Array) -> NDArray[np.intp]:
        """See ``Follower``; classes are the tracks', so that kernels of any class are chosen."""
        any_class = np.ones(len(kernels), dtype=np.bool_)
        chosen = self._setting.choice.choose(class_scores.max(axis=1), any_class)
        self._class_scores = class_scores[chosen]
        return chosen

    def on_masks(self, masks: FrameMasks, stages: Stages) -> Tracked:
        """See ``Follower``; fuses the masks on each object."""
        with stages("association"):
            fused, class_scores = self._fuse(masks)
            foreground = fused.logits > self._setting.mask_logit
            is_held = foreground.any(axis=(1, 2))
            held = slice(None) if is_held.all() else is_held  # a slice copies no masks
            class_scores = class_scores[held]
            looks = appearance(fused.mask_features[0], fused.whole[held], self._setting.mask_logit)
            ids, classes = self._association.update(looks, class_scores, foreground[held])
            wanted = (ids > 0) & self._setting.choice.keep_classes(classes)
            scores = class_scores[wanted].max(axis=1, initial=0.0)
            return Tracked(ids[wanted], classes[wanted], scores, fused.logits[held][wanted])

    def on_no_masks(self) -> None:
        """See ``Follower``."""
        self._association.update_without_detections()

    def _fuse(self, masks: FrameMasks) -> tuple[FrameMasks, Array]:
        """One mask for each object, and its class scores (objects, L)."""
        mask_logit = self._setting.mask_logit
        class_scores = self._class_scores * maskness(masks.logits, mask_logit)[:, None]
        scores = class_scores.max(axis=1)
        seen = np.flatnonzero((scores > 0.0) & (scores >= self._setting.score_threshold))
        weights = fusion_weights(scores[seen], masks.logits[seen] > mask_logit, self._setting.same_object_iou)
        class_scores = (class_scores[seen] * (weights > 0.0)[..., None]).max(axis=1, initial=0.0)
        if len(weights) == len(seen):  # nothing to fuse: each object's only weight is 1
            whole = masks.whole[seen[weights.nonzero()[1]]]
        else:
            whole = np.tensordot(weights, masks.whole[seen], axes=1)
        return FrameMasks(whole, masks.content, masks.mask_features), class_scores


def follow_appearances(
    setting: Setting, match_similarity: float, birth_score: float, keep_lost: int
) -> AppearanceFollower:
    """The association ``appearance``."""
    association = AppearanceAssociation(match_similarity, birth_score, keep_lost, setting.class_weight)
    return AppearanceFollower(association, setting)
