"""What a follower of kernels shows."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.association.follower import FrameMasks, Setting
from mobilevis.runtime.association.kernel_follower import KernelFollower
from mobilevis.runtime.stages import Stages


class Everything:
    """Shows all that it may."""

    def keep_classes(self, classes):
        return np.ones(len(classes), dtype=np.bool_)

    def choose(self, scores, wanted):
        return np.flatnonzero(wanted)


class Scripted:
    """An association that gives no identity to the second kernel."""

    def update(self, kernels, scores):
        return np.array([4, 0, 7])


def test_a_kernel_without_a_track_is_not_shown():
    follower = KernelFollower(Scripted(), Setting(Everything(), 0.3, 0.4, 0.4, 0.8, None, 0.0))
    chosen = follower.on_keyframe(np.eye(3, dtype=np.float32), np.full((3, 2), 0.9, dtype=np.float32))
    assert chosen.tolist() == [0, 2]
    features = np.ones((1, 3, 2, 2), np.float32)
    masks = FrameMasks(np.ones((2, 2, 2), np.float32), (2, 2), features, 0.0)
    assert follower.on_masks(masks, Stages()).ids.tolist() == [4, 7]


def test_a_keyframe_s_masks_come_with_their_boxes_and_the_quality_of_their_cells():
    follower = KernelFollower(Scripted(), Setting(Everything(), 0.3, 0.4, 0.4, 0.8, None, 0.0))
    follower.on_keyframe(np.eye(3, dtype=np.float32), np.full((3, 2), 0.8, dtype=np.float32))
    logits = np.full((2, 4, 6), -9.0, np.float32)
    logits[0, 1:3, 2:5] = 2.0
    masks = FrameMasks(logits, (4, 5), np.ones((1, 3, 4, 6), np.float32), 0.0)
    tracked = follower.on_masks(masks, Stages())
    assert tracked.boxes == [(2, 1, 3, 2), (0, 0, 0, 0)]
    assert tracked.scores == pytest.approx([0.8 / (1.0 + np.exp(-2.0)), 0.0])
