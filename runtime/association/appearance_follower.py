"""A follower that gives identities to masks, on every frame, by what the features show under them, and by the
embeddings of the kernels that they are of, where a network teaches these."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.appearance import AppearanceAssociation
from mobilevis.runtime.association.camera import Step
from mobilevis.runtime.association.follower import FrameMasks, Setting, Tracked
from mobilevis.runtime.association.fusion import fusion_weights
from mobilevis.runtime.association.kernels import unit
from mobilevis.runtime.association.regions import Foreground, pool_features
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
        self._embeddings = kernels[chosen]
        self._together: Optional[NDArray[np.intp]] = None
        return chosen

    def on_masks(self, masks: FrameMasks, stages: Stages) -> Tracked:
        """See ``Follower``; fuses the masks on each object."""
        with stages("association"):
            logits, shown, kernels, class_scores = self._fuse(masks)
            looks = pool_features(masks.mask_features[0], shown, masks.whole.shape[1:])
            weight = self._setting.embedding_weight
            if weight:
                looks = np.concatenate([unit(looks), weight * unit(self._embeddings[kernels])], axis=1)
            ids, classes = self._association.update(
                looks, class_scores, shown, masks.content, self._find_camera_step(masks)
            )
            wanted = np.flatnonzero((ids > 0) & self._setting.choice.keep_classes(classes))
            scores = class_scores[wanted].max(axis=1, initial=0.0)
            boxes = [shown[k].region.box for k in wanted]
            return Tracked(ids[wanted], classes[wanted], scores, [logits[k] for k in wanted], boxes)

    def on_no_masks(self) -> None:
        """See ``Follower``."""
        self._association.update_without_detections()

    def _find_camera_step(self, masks: FrameMasks) -> Optional[Step]:
        """How far the picture moved since the last masks, in cells of masks; None where it does not tell."""
        if self._setting.camera is None:
            return None
        pair = self._setting.camera.look()
        stride = pair.input_size[0] // masks.whole.shape[1]
        return None if pair.step is None else (pair.step[0] / stride, pair.step[1] / stride)

    def _fuse(self, masks: FrameMasks) -> tuple[list[Array], list[Foreground], NDArray[np.intp], Array]:
        """The K objects of a frame: logits (*content), what they show, the best kernel of each, and class
        scores (K, L)."""
        quality = np.array([shown.maskness for shown in masks.foregrounds], dtype=np.float32)
        class_scores = self._class_scores * quality[:, None]
        scores = class_scores.max(axis=1)
        seen = np.flatnonzero((scores > 0.0) & (scores >= self._setting.score_threshold))
        regions = [masks.foregrounds[row].region for row in seen]
        together = None if self._together is None else self._together[seen]
        least, still = self._setting.same_object_iou, self._setting.still_one_iou
        weights = fusion_weights(scores[seen], regions, least, still, together)
        if self._together is None:
            self._together = -1 - np.arange(len(scores))  # what is not seen is alone
            self._together[seen] = (weights > 0.0).argmax(axis=0) if len(seen) else seen
        best = seen[weights.argmax(axis=1)] if len(seen) else seen
        whole = masks.logits
        logits, shown = [whole[row] for row in best], [masks.foregrounds[row] for row in best]
        if len(best) == len(seen):  # each on its own
            return logits, shown, best, class_scores[best]
        class_scores = (class_scores[seen] * (weights > 0.0)[..., None]).max(axis=1, initial=0.0)
        several = np.flatnonzero((weights > 0.0).sum(axis=1) > 1)
        members = masks.whole if len(seen) == len(masks.whole) else masks.whole[seen]
        fused = replace(masks, whole=np.tensordot(weights[several], members, axes=1))
        for row, mask, joined in zip(several, fused.logits, fused.foregrounds):
            logits[row], shown[row] = mask, joined
        held = [row for row, each in enumerate(shown) if each.region.area]
        return [logits[row] for row in held], [shown[row] for row in held], best[held], class_scores[held]


def follow_appearances(
    setting: Setting, match_similarity: float, birth_score: float, keep_lost: int
) -> AppearanceFollower:
    """The association ``appearance``."""
    association = AppearanceAssociation(
        match_similarity, birth_score, keep_lost, setting.class_weight, setting.camera is not None
    )
    return AppearanceFollower(association, setting)
