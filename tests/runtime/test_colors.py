"""Colours of tracks: for life, and unlike on screen, measured as the eye does."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.colors import MAX_REMEMBERED, PALETTE, TrackColors, track_color
from tests.runtime.ciede2000 import difference, to_lab

UNLIKE = 20.0  # CIEDE2000


@cache
def distance(first, second) -> float:
    return difference(to_lab(first), to_lab(second))


def apart(colors) -> float:
    return min(distance(a, b) for a, b in combinations(colors, 2))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [  # from Table 1 of Sharma et al.
        ((50.0000, 2.6772, -79.7751), (50.0000, 0.0000, -82.7485), 2.0425),
        ((50.0000, 0.0000, 0.0000), (50.0000, -1.0000, 2.0000), 2.3669),
        ((50.0000, 2.5000, 0.0000), (61.0000, -5.0000, 29.0000), 22.8977),
        ((50.0000, 2.5000, 0.0000), (56.0000, -27.0000, -3.0000), 31.9030),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ],
)
def test_the_measure_is_the_published_one(first, second, expected):
    assert difference(first, second) == pytest.approx(expected, abs=1e-4)
    assert difference(second, first) == pytest.approx(expected, abs=1e-4)


def test_any_two_colours_of_the_palette_are_unlike():
    assert apart(PALETTE) >= UNLIKE
    assert apart(PALETTE[:12]) >= 23.0


def test_a_track_has_the_colour_of_its_number_while_that_is_free():
    assert TrackColors().update([3, 1, 40]) == [track_color(3), track_color(1), track_color(40)]


lives = st.lists(st.sets(st.integers(0, 11), max_size=12), min_size=1, max_size=40)


@given(lives, st.sampled_from([1, 7, len(PALETTE)]))
def test_twelve_live_tracks_are_unlike_and_keep_their_colours(frames, stride):
    """Twelve seats, each with a track that lives while its seat is taken; a new one has a new number.

    With a stride of the palette's length all numbers wish for one colour.
    """
    colors, seen, seats, born = TrackColors(), {}, {}, 0
    for taken in frames:
        seats = {seat: track for seat, track in seats.items() if seat in taken}
        for seat in sorted(taken - seats.keys()):
            born += 1
            seats[seat] = born * stride
        given_now = dict(zip(seats.values(), colors.update(seats.values())))
        assert len(given_now) < 2 or apart(given_now.values()) >= UNLIKE
        assert all(seen.setdefault(track, color) == color for track, color in given_now.items())


def test_a_track_that_comes_back_has_its_colour_and_nobody_else_has_taken_it():
    colors = TrackColors()
    before = colors.update([1, 2])
    for frame in range(30):
        colors.update([1, 100 + frame % 10])
    assert colors.update([1, 2]) == before


def test_more_tracks_than_colours_share_them_evenly():
    given_now = TrackColors().update(range(1, 2 * len(PALETTE) + 1))
    assert all(given_now.count(color) == 2 for color in PALETTE)


def test_memory_does_not_grow_with_the_number_of_tracks():
    colors = TrackColors()
    for track in range(1, 3 * MAX_REMEMBERED):
        colors.update([track])
    assert len(colors._held) == MAX_REMEMBERED
