"""Colours and patterns: the surface of every procedural object and background.

Coordinates are a sprite's own: u to the right, v down, both in [-1, 1]. Colours are RGB in [0, 255].
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Color = tuple[float, float, float]


@dataclass(frozen=True)
class TextureFamily:
    """The range that colours and backgrounds are drawn from; two families share no hue.

    Attributes:
        name: as given to ``--textures``.
        hue_offset: hues are drawn from six bands of 30°, 60° apart, starting at this many degrees.
        backgrounds: names in ``backgrounds.BACKGROUNDS``.
    """

    name: str
    hue_offset: float
    backgrounds: tuple[str, ...]

    def hue(self, rng: np.random.Generator) -> float:
        """A hue of this family, in [0, 1)."""
        return ((self.hue_offset + 60 * rng.integers(6) + rng.uniform(0, 30)) % 360) / 360

    def color(
        self,
        rng: np.random.Generator,
        saturation: tuple[float, float] = (0.5, 0.85),
        value: tuple[float, float] = (0.6, 1.0),
    ) -> Color:
        """A random colour with saturation and value in the given ranges of [0, 1]."""
        return hsv(self.hue(rng), rng.uniform(*saturation), rng.uniform(*value))


FAMILIES = {
    family.name: family
    for family in (
        TextureFamily("a", 0, ("meadow", "sand", "planks", "pebbles", "water")),
        TextureFamily("b", 30, ("meadow", "sand", "water", "tiles")),
    )
}


def hsv(hue: float, saturation: float, value: float) -> Color:
    """An RGB colour in [0, 255] from hue, saturation and value in [0, 1]; the hue wraps around."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return 255 * red, 255 * green, 255 * blue


def tone(color: Color, factor: float) -> Color:
    """The colour made darker (below 1) or lighter (above 1), clipped at 255."""
    red, green, blue = (min(255.0, factor * channel) for channel in color)
    return red, green, blue


def grid(side: int) -> tuple[Image, Image]:
    """The coordinates (u, v) of a (side, side) sprite's pixel centres."""
    axis = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1
    u, v = np.meshgrid(axis, axis)
    return u, v


def noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cells: tuple[float, float],
    octaves: int = 4,
) -> Image:
    """Smooth fractal noise in about [0, 1].

    Args:
        rng: source of randomness.
        shape: (height, width) of the result.
        cells: (vertical, horizontal) number of cells of the coarsest octave; unequal numbers stretch it.
        octaves: each doubles the cells and halves the amplitude.
    """
    height, width = shape
    total = np.zeros(shape, dtype=np.float32)
    amplitude = 0.5
    for octave in range(octaves):
        rows = min(int(cells[0] * 2**octave) + 2, height)
        columns = min(int(cells[1] * 2**octave) + 2, width)
        coarse = rng.random((rows, columns), dtype=np.float32)
        total += amplitude * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        amplitude /= 2
    return total / (1 - amplitude * 2)


def blend(weight: Image, first: Color | Image, second: Color | Image) -> Image:
    """(H, W, 3): the first colour (or image) where the weight is 0, the second where it is 1."""
    start, end = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return start + np.clip(weight, 0, 1)[..., None] * (end - start)


def smoothstep(values: Image, low: float, high: float) -> Image:
    """0 below ``low``, 1 above ``high``, a cubic between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def stripes(
    coordinate: NDArray[np.floating], frequency: float, phase: float = 0.0, duty: float = 0.5
) -> Image:
    """Soft-edged stripes in [0, 1] across a coordinate; ``duty`` is the share that is 1."""
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * (frequency * coordinate + phase))
    return smoothstep(wave, 1 - duty - 0.12, 1 - duty + 0.12)


def spots(u: Image, v: Image, centres: NDArray[np.float64], radii: NDArray[np.float64]) -> Image:
    """1 inside any of the discs, 0 outside, with a soft edge.

    Args:
        u: coordinate to the right.
        v: coordinate down.
        centres: (n, 2) of (u, v).
        radii: (n,) in the same unit.
    """
    cover = np.zeros_like(u)
    for (x, y), radius in zip(centres, radii):
        distance = np.hypot(u - np.float32(x), v - np.float32(y))
        cover = np.maximum(cover, smoothstep(-distance, -radius * 1.12, -radius * 0.88))
    return cover
