from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevis.training.samples.augment import View, apply_colour, colour_matrix, hue_rotation, random_view
from mobilevis.training.samples.config import AugmentConfig

sides = st.integers(8, 150)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 999), height=sides, width=sides, low=st.floats(0.3, 1), high=st.floats(1, 3))
def test_a_view_keeps_the_aspect_and_stays_inside_the_frame(
    seed: int, height: int, width: int, low: float, high: float
) -> None:
    config = AugmentConfig(scale=(low, high))
    view = random_view(np.random.default_rng(seed), (height, width), (64, 128), (64, 128), config)
    fit = min(64 / height, 128 / width)
    assert low * fit * height - 1 <= view.size[0] <= high * fit * height + 1
    assert view.size[0] / view.size[1] == pytest.approx(
        height / width, abs=0.6 / view.size[1] * (1 + height / width)
    )
    for offset, size, canvas in zip(view.offset, view.size, view.canvas):
        assert 0 <= offset <= max(0, size - canvas)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 999), height=st.integers(60, 150), width=st.integers(60, 150))
def test_a_mask_moves_with_its_frame(seed: int, height: int, width: int) -> None:
    """But for half a source pixel at the frame's own edges, where it fades."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), dtype=bool)
    mask[height // 4 : 3 * height // 4 + 1, width // 3 :] = True
    image = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2)
    view = random_view(rng, (height, width), (64, 128), (64, 128), AugmentConfig(scale=(0.5, 2)))
    covered = view.frame(image)[..., 0].reshape(16, 4, 32, 4).mean((1, 3))
    difference = np.abs(covered - view.mask(mask))
    assert difference.mean() < 2
    assert difference.max() < 80


@given(
    seed=st.integers(0, 1000),
    flip=st.booleans(),
    size=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    shift=st.tuples(st.integers(-40, 60), st.integers(-40, 60)),
)
def test_a_full_mask_covers_what_its_frame_shows(seed, flip, size, shift) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((48, 64), dtype=bool, order="F" if seed % 2 else "C")
    top, left = rng.integers(0, (44, 60))
    mask[top : top + rng.integers(4, 49), left : left + rng.integers(4, 65)] = True
    view = View(flip, size, (60, 80), (0, 0), np.array([[1.0, 0.0, shift[1]], [0.0, 1.0, shift[0]]]))
    shown = view.frame(np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * np.uint8(255))[..., 0]
    covered = view.full_mask(mask)
    assert covered.shape == (60, 80)
    # But for pixels that it covers in part: there one resamples with the mean, the other between two pixels.
    certain = (shown > 192) | (shown < 64)
    np.testing.assert_array_equal(covered[certain], shown[certain] > 128)


def test_frames_are_reduced_and_enlarged_alike() -> None:
    """Half and twice are as far from 1: the scale is drawn from its logarithm."""
    rng = np.random.default_rng(0)
    size, config = (64, 128), AugmentConfig(scale=(0.5, 2))
    views = [random_view(rng, size, size, size, config) for _ in range(99)]
    heights = sorted(view.size[0] for view in views)
    assert heights[0] < 36
    assert 58 < heights[49] < 70
    assert heights[-1] > 114


def test_a_view_without_change_is_the_runtimes_letterbox() -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 100, 3)).astype(np.uint8)
    view = View(flip=False, size=(64, 100), canvas=(64, 128), offset=(0, 0))
    assert np.array_equal(view.frame(image)[:, :100], image)
    assert not view.frame(image)[:, 100:].any()


def test_no_strength_leaves_the_colours() -> None:
    image = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    matrix = colour_matrix(np.random.default_rng(0), 0.0)
    assert np.array_equal(apply_colour(image, matrix), image)


def test_saturation_and_contrast_keep_mid_grey_when_brightness_does() -> None:
    grey = np.full((1, 1, 3), 127.5)
    for seed in range(5):
        matrix = colour_matrix(np.random.default_rng(seed), 0.5)
        mapped = matrix[:, :3] @ grey[0, 0] + matrix[:, 3]
        brightness = np.random.default_rng(seed).uniform(0.5, 1.5, 3)[0]
        assert mapped == pytest.approx(np.full(3, 127.5 * brightness), rel=1e-5)


@pytest.mark.parametrize(("degrees", "channel"), [(120, 1), (-120, 2)])
def test_red_turns_towards_green_and_blue(degrees: float, channel: int) -> None:
    assert (hue_rotation(degrees) @ [1.0, 0.0, 0.0]).argmax() == channel


def test_a_turned_hue_keeps_greys_and_turns_back() -> None:
    turned = hue_rotation(25)
    assert turned.sum(1) == pytest.approx(np.ones(3), abs=1e-3)
    assert hue_rotation(-25) @ turned == pytest.approx(np.eye(3), abs=1e-9)
