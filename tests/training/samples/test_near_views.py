"""A second look at a still: moved, smeared and lit otherwise, its masks with it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.training.config import TrainConfig
from mobilevis.training.samples.augment import colour_matrix, compose_colours, motion_blur, near_motion
from mobilevis.training.samples.batches import SampleKey
from mobilevis.training.samples.config import AugmentConfig, ClipConfig, NearViewConfig
from mobilevis.training.samples.dataset import TrainingSet
from mobilevis.training.samples.sources import open_source

NEAR = NearViewConfig(turn=8, scale=0.2, shift=0.1, blur=0, colour=0.2)


def still_pair(config: TrainConfig, near: NearViewConfig, epoch: int = 0):
    data = replace(config.data, augment=AugmentConfig(flip=0.0, near=near))
    return TrainingSet(open_source(data), data, 0, ClipConfig(length=2, still=1.0))[SampleKey(epoch, 0)]


def test_a_second_look_moves_and_its_masks_stay_on_their_objects(config: TrainConfig) -> None:
    moved = 0
    for epoch in range(12):
        first, second = still_pair(config, NEAR, epoch)
        moved += not np.array_equal(first.masks, second.masks)
        assert set(second.identities) <= set(first.identities)
        for label, mask in zip(second.labels, second.masks):
            inside = cv2.resize(mask, (128, 64), interpolation=cv2.INTER_NEAREST) == 255
            # Channel 0 is red, the colour of class 0.
            assert (second.frame[inside].argmax(1) == label).mean() > 0.95
    assert moved == 12


def test_without_near_views_a_still_repeats_itself(config: TrainConfig) -> None:
    first, second = still_pair(config, NearViewConfig())
    assert np.array_equal(first.frame, second.frame)


def test_a_look_that_nothing_changes_is_the_first_one(config: TrainConfig) -> None:
    """The affine path and the plain one show the same pixels."""
    first, second = still_pair(config, NearViewConfig(turn=1e-9))
    assert np.abs(first.frame.astype(int) - second.frame).max() <= 1
    assert np.abs(first.masks.astype(int) - second.masks).max() <= 1


@given(seed=st.integers(0, 999))
def test_motion_stays_within_its_bounds(seed: int) -> None:
    motion = near_motion(np.random.default_rng(seed), (64, 128), NEAR)
    scale = np.sqrt(np.linalg.det(motion[:, :2]))
    assert 1 / 1.2 - 1e-9 <= scale <= 1.2 + 1e-9
    centre = motion @ [64.0, 32.0, 1.0]
    assert np.abs(centre - [64.0, 32.0]).max() <= 12.8 + 1e-9
    assert abs(centre[1] - 32.0) <= 6.4 + 1e-9


@given(seed=st.integers(0, 999), longest=st.integers(0, 20))
def test_blur_keeps_the_brightness(seed: int, longest: int) -> None:
    kernel = motion_blur(np.random.default_rng(seed), longest)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-6)
    assert kernel.shape[0] == kernel.shape[1] <= longest + 1


def test_colours_are_applied_one_after_the_other() -> None:
    rng = np.random.default_rng(0)
    first, later = colour_matrix(rng, 0.3), colour_matrix(rng, 0.3, saturate=False)
    pixel = np.array([10.0, 120.0, 200.0, 1.0])
    once = later @ [*(first @ pixel), 1.0]
    assert compose_colours(later, first) @ pixel == pytest.approx(once, rel=1e-5)


def test_near_views_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"near\.scale and near\.shift"):
        NearViewConfig(scale=1.5)
