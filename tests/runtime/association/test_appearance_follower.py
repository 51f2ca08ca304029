"""Masks are given identities by what they show and by the embeddings of their kernels."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.association.appearance import AppearanceAssociation
from mobilevis.runtime.association.appearance_follower import AppearanceFollower
from mobilevis.runtime.association.follower import FrameMasks, Setting
from mobilevis.runtime.drivers.frames import Selection
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.stages import Stages
from tests.runtime.drivers.squares import SquaresArtefact
from tests.runtime.objects import GRID

EMBEDDINGS = np.eye(2, dtype=np.float32)
SCORES = np.array([[0.9], [0.8]], dtype=np.float32)


def follower(embedding_weight: float) -> AppearanceFollower:
    choice = Selection(SquaresArtefact(), InstanceOptions())
    return AppearanceFollower(
        AppearanceAssociation(), Setting(choice, 0.3, 0.7, 0.2, False, embedding_weight)
    )


def look(following: AppearanceFollower, embeddings: np.ndarray, *places: tuple[int, int]) -> list[int]:
    """Identities of squares at these rows and columns, all on like features."""
    masks, features = np.full((len(places), *GRID), -9.0, np.float32), np.zeros((1, 3, *GRID), np.float32)
    for mask, (y, x) in zip(masks, places):
        mask[y : y + 8, x : x + 8] = 9.0
        features[0, 1, y : y + 8, x : x + 8] = 1.0
    order = following.on_keyframe(embeddings, SCORES[: len(places)])
    tracked = following.on_masks(FrameMasks(masks[order], GRID, features, 0.0, features[0]), Stages())
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
