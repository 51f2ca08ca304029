"""Masks are given identities by what they show and by the embeddings of their kernels."""

from __future__ import annotations

from typing import Optional

import numpy as np
import pytest

from mobilevis.runtime.association import BIRTH_SCORE, KEEP_LOST_FRAMES, MATCH_SIMILARITY
from mobilevis.runtime.association.appearance_follower import AppearanceFollower, follow_appearances
from mobilevis.runtime.association.camera_watch import CameraWatch
from mobilevis.runtime.association.follower import FrameMasks, Setting
from mobilevis.runtime.drivers.frames import Selection
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.stages import Stages
from tests.runtime.drivers.squares import SquaresArtefact
from tests.runtime.objects import GRID

EMBEDDINGS = np.eye(2, dtype=np.float32)
SCORES = np.array([[0.9], [0.8]], dtype=np.float32)


def follower(embedding_weight: float, camera: Optional[CameraWatch] = None) -> AppearanceFollower:
    choice = Selection(SquaresArtefact(), InstanceOptions())
    setting = Setting(choice, 0.3, 0.7, 0.35, 0.2, camera, embedding_weight)
    return follow_appearances(
        setting, MATCH_SIMILARITY.default, BIRTH_SCORE.default, KEEP_LOST_FRAMES.default
    )


def look(following: AppearanceFollower, embeddings: np.ndarray, *places: tuple[int, int]) -> list[int]:
    """Identities of squares at these rows and columns, all on like features."""
    masks, features = np.full((len(places), *GRID), -9.0, np.float32), np.zeros((1, 3, *GRID), np.float32)
    for mask, (y, x) in zip(masks, places):
        mask[y : y + 8, x : x + 8] = 9.0
        features[0, 1, y : y + 8, x : x + 8] = 1.0
    order = following.on_keyframe(embeddings, SCORES[: len(places)])
    tracked = following.on_masks(FrameMasks(masks[order], GRID, features, 0.0), Stages())
    return tracked.ids.tolist()


@pytest.mark.parametrize(("weight", "later"), [(0.5, [2, 1]), (0.0, [1, 2])])
def test_objects_that_look_alike_and_jump_are_told_by_their_embeddings(weight, later):
    following = follower(weight)
    assert look(following, EMBEDDINGS, (0, 0), (0, 20)) == [1, 2]
    assert look(following, EMBEDDINGS[::-1], (10, 5), (10, 30)) == later


def test_an_object_that_two_kernels_found_is_followed_by_the_better_one_s_embedding():
    following = follower(0.5)
    assert look(following, EMBEDDINGS, (0, 0), (0, 0)) == [1]
    assert look(following, EMBEDDINGS[::-1], (10, 5), (10, 30)) == [2, 1]


def test_kernels_of_one_object_do_not_part_for_a_frame_before_the_next_keyframe():
    """Squares of 8 by 8 cells: two columns apart their IoU is 0.6, where 0.7 makes two masks one object's."""
    following = follower(0.0)
    assert look(following, EMBEDDINGS, (0, 0), (0, 0)) == [1]
    masks = np.full((2, *GRID), -9.0, np.float32)
    masks[0, :8, :8] = masks[1, :8, 2:10] = 9.0
    features = np.zeros((1, 3, *GRID), np.float32)
    features[0, 1, :8, :10] = 1.0
    reused = following.on_masks(FrameMasks(masks, GRID, features, 0.0), Stages())
    assert reused.ids.tolist() == [1]
    assert len(look(following, EMBEDDINGS, (0, 0), (0, 2))) == 2


@pytest.mark.parametrize(("is_watched", "later"), [(False, [2, 1]), (True, [1, 2])])
def test_an_object_is_expected_at_its_speed_unless_the_camera_is_watched(is_watched, later):
    """It walks to the right; then there are two, one where it was and one where its speed takes it."""
    camera = CameraWatch(GRID, tells_motion=False)
    camera.show(np.zeros(GRID, np.uint8))
    following = follower(0.0, camera if is_watched else None)
    for x in range(0, 20, 4):
        assert look(following, EMBEDDINGS, (0, x)) == [1]
    assert look(following, EMBEDDINGS, (0, 16), (0, 20)) == later
