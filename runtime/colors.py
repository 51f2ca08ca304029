"""Colours of tracks: kept for life, and unlike those of the tracks that are on screen with them."""

from __future__ import annotations

from collections.abc import Iterable

Color = tuple[int, int, int]

# RGB, any two at least 20 apart in CIEDE2000: the largest set that a randomised greedy search found among the
# colours with CIELAB lightness in 42…93 and chroma from 35 on. Each is the farthest from those before it, so
# that the first twelve are at least 23 apart.
PALETTE: tuple[Color, ...] = (
    (225, 30, 255),
    (0, 255, 45),
    (255, 135, 15),
    (105, 195, 255),
    (0, 120, 90),
    (210, 15, 75),
    (255, 195, 255),
    (135, 90, 30),
    (0, 120, 195),
    (180, 150, 0),
    (105, 255, 255),
    (240, 240, 0),
    (135, 180, 120),
    (255, 165, 150),
    (150, 150, 225),
    (90, 120, 0),
    (255, 105, 165),
    (150, 75, 135),
    (255, 210, 150),
    (255, 30, 0),
    (90, 75, 240),
    (15, 165, 165),
)
MAX_REMEMBERED = 1000  # tracks; a longer video forgets those that were seen longest ago


def track_color(track_id: int) -> Color:
    """RGB of an identity, from 1, by its number alone: two that are 22 apart have one colour."""
    return PALETTE[(track_id - 1) % len(PALETTE)]


class TrackColors:
    """Gives the tracks of one video their colours.

    A new track takes the colour whose last track was seen longest ago; of several, as in the beginning, that
    of its number (``track_color``) or the next one. So tracks on screen together differ as long as there are
    colours, and one that comes back soon finds its colour free.
    """

    def __init__(self) -> None:
        self._frame = 0
        self._held: dict[int, int] = {}  # track → index of its colour, the one seen longest ago first
        self._last_use = [0] * len(PALETTE)  # frame in which a colour was on screen last; 0 for never

    def update(self, track_ids: Iterable[int]) -> list[Color]:
        """The colours (RGB) of a frame's tracks, in their order; call it for every frame that is drawn."""
        ids = list(dict.fromkeys(track_ids))
        self._frame += 1
        for track in [track for track in ids if track in self._held]:
            self._use(track, self._held.pop(track))
        for track in [track for track in ids if track not in self._held]:
            self._use(track, self._choose(track))
        while len(self._held) > max(MAX_REMEMBERED, len(ids)):
            del self._held[next(iter(self._held))]
        return [PALETTE[self._held[track]] for track in ids]

    def _use(self, track: int, index: int) -> None:
        self._held[track] = index
        self._last_use[index] = self._frame

    def _choose(self, track: int) -> int:
        first = (track - 1) % len(PALETTE)
        from_its_own = [(first + step) % len(PALETTE) for step in range(len(PALETTE))]
        return min(from_its_own, key=lambda index: self._last_use[index])
