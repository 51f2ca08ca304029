"""The camera's step between two pictures, from what is left of them at a sixteenth of their sides."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.association.camera import CELL, find_camera_step, shrink

ROWS, COLUMNS = 20, 40
HEIGHT, WIDTH = ROWS * CELL, COLUMNS * CELL
REACH = (96, 160)  # pixels


def scene(seed: int) -> np.ndarray:
    """A picture of blots some 100 pixels wide, larger than a frame by ``REACH`` all around."""
    height, width = HEIGHT + 2 * REACH[0], WIDTH + 2 * REACH[1]
    blots = np.random.default_rng(seed).integers(0, 256, (height // 50, width // 50)).astype(np.float32)
    return np.clip(cv2.resize(blots, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255)


def view(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    """What a camera sees of it in which everything has moved so far."""
    y, x = REACH[0] - down, REACH[1] - right
    return picture[y : y + HEIGHT, x : x + WIDTH]


@given(
    seed=st.integers(0, 100),
    down=st.integers(-REACH[0] // 2, REACH[0] // 2),
    right=st.integers(-REACH[1] // 2, REACH[1] // 2),
)
def test_a_picture_that_moved_says_how_far_to_a_part_of_a_cell(seed: int, down: int, right: int) -> None:
    picture = scene(seed)
    found = find_camera_step(shrink(view(picture, 0, 0)), shrink(view(picture, down, right)))
    assert found is not None
    assert found == pytest.approx((down, right), abs=0.6 * CELL)


def test_a_picture_that_stands_still_has_no_step() -> None:
    miniature = shrink(view(scene(0), 0, 0))
    assert find_camera_step(miniature, miniature) == pytest.approx((0.0, 0.0), abs=1.0)


@given(seed=st.integers(0, 1000))
def test_noise_tells_nothing(seed: int) -> None:
    before, now = np.random.default_rng(seed).normal(size=(2, ROWS, COLUMNS)).astype(np.float32) * 50
    assert find_camera_step(before - before.mean(), now - now.mean()) is None


def test_a_wall_of_one_colour_tells_nothing() -> None:
    wall = shrink(np.full((HEIGHT, WIDTH), 90, np.float32))
    assert find_camera_step(wall, wall) is None


def test_brightness_of_the_whole_picture_does_not_matter() -> None:
    picture = 0.5 * scene(1)
    before, now = shrink(view(picture, 0, 0)), shrink(view(picture, 16, -32) + 60)
    assert find_camera_step(before, now) == pytest.approx((16, -32), abs=CELL / 2)


@pytest.mark.parametrize("size", [(7 * CELL, 8 * CELL), (CELL - 1, WIDTH)], ids=["few cells", "none"])
def test_too_small_a_picture_tells_nothing(size: tuple[int, int]) -> None:
    miniature = shrink(scene(0)[: size[0], : size[1]])
    assert find_camera_step(miniature, miniature) is None


def test_pictures_of_other_sizes_are_not_compared() -> None:
    picture = scene(0)
    assert find_camera_step(shrink(picture[:HEIGHT]), shrink(picture[: HEIGHT - CELL])) is None
