"""What is measured between frames: on squares whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.benchmarks.accuracy.identity import GAPS, ClipMeasure, Counts, join_counts
from mobilevis.runtime.drivers.dense import DenseOptions
from tests.runtime.drivers.squares import SIDE, H, SquaresArtefact, W


def measure(frames: np.ndarray) -> dict[int, Counts]:
    options = DenseOptions.extend({"association": "appearance"})(association="appearance")
    return ClipMeasure(SquaresArtefact(), options).measure(frames)


def walk(step: int, colours: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Twelve frames of two squares of one class that walk ``step`` pixels a frame."""
    frames = np.zeros((12, H, W, 3), np.uint8)
    for t, frame in enumerate(frames):
        for place, colour in enumerate(colours):
            x = 8 + step * t
            frame[8 + 44 * place : 8 + 44 * place + SIDE, x : x + SIDE] = colour
    return frames


def test_squares_of_two_colours_are_told_apart_at_every_gap():
    found = measure(walk(1, ((255, 40, 0), (0, 255, 40))))
    assert all(counts.by_cosine and all(counts.by_cosine) for counts in found.values())
    assert all(all(counts.by_association) for counts in found.values())


def test_squares_of_one_colour_are_not_told_apart_by_cosine_but_by_place():
    found = measure(walk(1, ((255, 40, 0), (255, 40, 0))))
    assert np.mean(found[1].by_cosine) == pytest.approx(0.5)
    assert all(found[1].by_association)


def test_a_kernel_follows_its_square():
    found = measure(walk(1, ((255, 40, 0), (0, 255, 40))))
    assert np.mean(found[8].reused) > 0.8


def test_squares_that_leave_their_place_at_once_are_not_compared():
    found = measure(walk(16, ((255, 40, 0), (0, 255, 40))))
    assert not any(counts.reused for counts in found.values())


def test_a_neighbour_that_comes_to_an_object_s_place_is_not_taken_for_it():
    """After eight frames the left square is where the right one was."""
    frames = np.zeros((12, H, W, 3), np.uint8)
    for t, frame in enumerate(frames):
        frame[30 : 30 + SIDE, 6 * t : 6 * t + SIDE] = (255, 40, 0)
        frame[30 : 30 + SIDE, 48 + 6 * t : 48 + 6 * t + SIDE] = (0, 255, 40)
    found = measure(frames)
    assert found[8].by_cosine == [True, True]


def test_counts_of_clips_add_up():
    one = {gap: Counts([0.5], [True], [False], [False], [True]) for gap in GAPS}
    two = Counts([0.5, 0.5], [True, True], [False, False], [False, False], [True, True])
    assert join_counts([one, one])[4] == two


def test_squares_of_one_colour_that_walk_far_are_told_apart_if_every_frame_is_seen():
    """After eight frames the left square is where the right one was."""
    frames = np.zeros((12, H, W, 3), np.uint8)
    for t, frame in enumerate(frames):
        for x in (6 * t, 48 + 6 * t):
            frame[30 : 30 + SIDE, x : x + SIDE] = (255, 40, 0)
    found = measure(frames)[8]
    assert found.in_turn == [True, True]
    assert not all(found.by_association)
