"""The grounds over which objects move: procedural photographs from above."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from mobilevis.data.synth.textures import Image, TextureFamily, blend, hsv, noise, smoothstep

Shape2D = tuple[int, int]


def _hue(family: TextureFamily, rng: np.random.Generator, low: float, high: float) -> float:
    """A hue in [low, high] degrees, out of this family's bands where one is met in a few draws."""
    for _ in range(40):
        hue = 360 * family.hue(rng)
        if low <= hue <= high:
            return hue / 360
    return rng.uniform(low, high) / 360


def _meadow(shape: Shape2D, rng: np.random.Generator, family: TextureFamily) -> Image:
    """Mown grass: blades, clumps and lighter patches."""
    hue = _hue(family, rng, 60, 135)
    blades = noise(rng, shape, (70, 160), 2)
    patches = noise(rng, shape, (4, 6), 4)
    color = blend(smoothstep(patches, 0.3, 0.7), hsv(hue, 0.5, 0.33), hsv(hue - 0.04, 0.42, 0.56))
    return color * (0.72 + 0.56 * blades)[..., None]


def _sand(shape: Shape2D, rng: np.random.Generator, family: TextureFamily) -> Image:
    """Wind ripples on sand."""
    height, width = shape
    hue = _hue(family, rng, 15, 60)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / height
    turn = rng.uniform(-0.6, 0.6)
    warp = noise(rng, shape, (3, 5), 3)
    wave = np.sin(2 * np.pi * (rng.uniform(7, 12) * (rows + turn * columns) + 2.2 * warp))
    grain = noise(rng, shape, (150, 250), 1)
    color = blend(0.5 + 0.5 * wave * warp, hsv(hue, 0.42, 0.6), hsv(hue, 0.26, 0.84))
    return color * (0.86 + 0.28 * grain)[..., None]


def _planks(shape: Shape2D, rng: np.random.Generator, family: TextureFamily) -> Image:
    """A wooden floor of staggered boards."""
    height, width = shape
    hue, board = _hue(family, rng, 15, 45), height / rng.uniform(5, 8)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    row = (rows / board).astype(np.int32)
    shift = rng.random(row.max() + 1)[row] * 6 * board
    column = ((columns + shift) / (6 * board)).astype(np.int32)
    tone = rng.random((row.max() + 1, column.max() + 1), dtype=np.float32)[row, column]
    grain = noise(rng, shape, (110, 5), 3)
    color = blend(0.55 * tone + 0.55 * grain, hsv(hue, 0.55, 0.36), hsv(hue + 0.01, 0.42, 0.68))
    inside = np.minimum(rows % board, (columns + shift) % (6 * board))
    return color * (0.45 + 0.55 * smoothstep(inside, 0.3, 2.2))[..., None]


def _pebbles(shape: Shape2D, rng: np.random.Generator, family: TextureFamily) -> Image:
    """A bed of rounded stones: the cells of random points."""
    height, width = shape
    count = int(rng.integers(130, 260) * width / height)
    seeds = np.full(shape, 255, dtype=np.uint8)
    seeds[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP)
    hue = _hue(family, rng, 20, 230)
    tones = rng.random(int(labels.max()) + 1, dtype=np.float32)[labels]
    blank = np.zeros(shape, dtype=bool)
    blank[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    blank[1:] |= labels[1:] != labels[:-1]
    depth = cv2.distanceTransform((~blank).astype(np.uint8), cv2.DIST_L2, 5) / height
    relief = smoothstep(depth, 0.0, 0.022)
    mottle = noise(rng, shape, (30, 50), 3)
    color = blend(0.7 * tones + 0.3 * mottle, hsv(hue, 0.18, 0.4), hsv(hue + 0.05, 0.1, 0.74))
    return color * (0.35 + 0.65 * relief)[..., None]


def _water(shape: Shape2D, rng: np.random.Generator, family: TextureFamily) -> Image:
    """Shallow water with caustics: ridges of smooth noise."""
    hue = _hue(family, rng, 165, 225)
    first, second = noise(rng, shape, (6, 10), 2), noise(rng, shape, (9, 15), 2)
    ridges = 1 - np.minimum(np.abs(first - 0.5), np.abs(second - 0.5)) * 9
    depth = noise(rng, shape, (2, 3), 3)
    color = blend(depth, hsv(hue, 0.72, 0.4), hsv(hue - 0.03, 0.55, 0.68))
    return blend(0.45 * smoothstep(ridges, 0.3, 1.0), color, (225, 245, 250))


def _tiles(shape: Shape2D, rng: np.random.Generator, family: TextureFamily) -> Image:
    """Square floor tiles of two colours with bright joints."""
    height, width = shape
    side = height / rng.uniform(5, 9)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    row, column = (rows / side).astype(np.int32), (columns / side).astype(np.int32)
    tone = rng.random((row.max() + 1, column.max() + 1), dtype=np.float32)[row, column]
    first = family.color(rng, (0.1, 0.3), (0.5, 0.7))
    second = family.color(rng, (0.05, 0.2), (0.65, 0.85))
    marble = noise(rng, shape, (7, 12), 5)
    checker = ((row + column) % 2).astype(np.float32)
    color = blend(checker, first, second) * (0.7 + 0.2 * tone + 0.35 * marble)[..., None]
    joint = np.minimum(np.minimum(rows % side, side - rows % side), columns % side)
    return blend(smoothstep(joint, 0.6, 2.0), (205, 200, 192), color)


BACKGROUNDS: dict[str, Callable[[Shape2D, np.random.Generator, TextureFamily], Image]] = {
    "meadow": _meadow,
    "sand": _sand,
    "planks": _planks,
    "pebbles": _pebbles,
    "water": _water,
    "tiles": _tiles,
}


def draw_background(shape: Shape2D, rng: np.random.Generator, family: TextureFamily) -> Image:
    """A random ground of the family, (height, width, 3) float32 RGB in [0, 255]."""
    name = family.backgrounds[rng.integers(len(family.backgrounds))]
    return np.clip(BACKGROUNDS[name](shape, rng, family), 0, 255)
