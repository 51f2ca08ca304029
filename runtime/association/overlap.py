"""Identities from the frames that two clips share: the association of clip-level drivers without queries."""

from __future__ import annotations

import numpy as np

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.association.assignment import assign
from mobilevis.runtime.masks import sigmoid, soft_iou


class OverlapAssociation:
    """Gives the instances of a clip the identities of those of the last clip that they overlap.

    Args:
        match_iou: least soft IoU.
    """

    def __init__(self, match_iou: float) -> None:
        self._match_iou = match_iou
        self._next_id = 1
        self._ids: list[int] = []
        self._masks: dict[int, Array] = {}

    def update(self, logits: dict[int, Array], count: int) -> list[int]:
        """Identities of a clip's S instances.

        Args:
            logits: frame index → mask logits (S, h, w), for all frames of the clip.
            count: S.

        Returns:
            S identities, from 1; an instance without a match gets a new one.
        """
        masks: dict[int, Array] = {frame: sigmoid(values) for frame, values in logits.items()}
        shared = sorted(masks.keys() & self._masks.keys())
        ids = [0] * count
        if shared and self._ids and count:
            before = np.concatenate([self._masks[frame].reshape(len(self._ids), -1) for frame in shared], 1)
            now = np.concatenate([masks[frame].reshape(count, -1) for frame in shared], 1)
            overlap = soft_iou(before, now)
            overlap[overlap < self._match_iou] = 0.0
            for track, instance in zip(*assign(overlap)):
                if overlap[track, instance] > 0.0:
                    ids[instance] = self._ids[track]
        for instance, identity in enumerate(ids):
            if identity == 0:
                ids[instance] = self._next_id
                self._next_id += 1
        self._ids, self._masks = ids, masks
        return ids
