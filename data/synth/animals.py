"""Drawings of the animal categories, seen from above or from the side, facing right."""

from __future__ import annotations

import numpy as np

from mobilevis.data.synth.canvas import Canvas, Points
from mobilevis.data.synth.textures import (
    TextureFamily,
    blend,
    hsv,
    noise,
    smoothstep,
    spots,
    stripes,
    tone,
)

DARK = (34.0, 30.0, 36.0)
WHITE = (245.0, 243.0, 238.0)


def mirror(half: list[tuple[float, float]]) -> Points:
    """A polygon symmetric about v = 0 from the points of its upper half, front to back."""
    points = np.asarray(half, dtype=np.float64)
    return np.concatenate([points, points[::-1] * (1, -1)])


def smooth(points: Points, rounds: int = 3) -> Points:
    """Round a closed polygon's corners by Chaikin's corner cutting."""
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        cut = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1)
        points = cut.reshape(-1, 2)
    return points


def _eye(canvas: Canvas, u: float, v: float, size: float) -> None:
    canvas.decal(canvas.ellipse((u, v), (size, size)), WHITE)
    canvas.decal(canvas.ellipse((u + size / 4, v), (size * 0.55, size * 0.55)), DARK)


def draw_fish(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """Side view: a deep body with bars, a forked tail, two fins and an eye."""
    body, fins, bars = family.color(rng), family.color(rng), family.color(rng, (0.2, 0.7), (0.85, 1.0))
    depth = rng.uniform(0.42, 0.56)
    tail = [(-0.42, 0.0), (-0.95, -0.52), (-0.8, 0.0), (-0.95, 0.52)]
    canvas.paint(canvas.polygon(smooth(np.array(tail), 2)), fins, 0.06)
    dorsal = [(0.3, -depth * 0.8), (0.0, -depth - 0.26), (-0.45, -depth - 0.1), (-0.4, -0.1)]
    canvas.paint(canvas.polygon(smooth(np.array(dorsal), 2)), fins, 0.06)
    belly = [(0.1, depth * 0.7), (-0.12, depth + 0.22), (-0.3, depth * 0.6)]
    canvas.paint(canvas.polygon(smooth(np.array(belly), 2)), fins, 0.06)
    outline = [(0.9, 0.0), (0.72, -0.3), (0.3, -depth), (-0.2, -depth * 0.8), (-0.6, -0.12), (-0.6, 0.0)]
    pattern = blend(stripes(canvas.u, rng.uniform(1.2, 2.6), rng.random(), 0.45), body, bars)
    shaded = blend(smoothstep(canvas.v, 0.05, 0.5), pattern, WHITE)
    canvas.paint(canvas.polygon(smooth(mirror(outline))), shaded, 0.3)
    canvas.paint(canvas.ellipse((0.0, 0.12), (0.2, 0.1), 155), fins, 0.06)
    _eye(canvas, 0.62, -0.12, 0.1)


def draw_turtle(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """Top view: a domed shell of hexagonal scutes, four flippers, a head and a tail."""
    skin, scute, seam = family.color(rng, (0.4, 0.7)), family.color(rng, value=(0.4, 0.7)), DARK
    for v in (-1.0, 1.0):
        canvas.paint(canvas.ellipse((0.45, 0.62 * v), (0.34, 0.15), 50.0 * v), skin, 0.1)
        canvas.paint(canvas.ellipse((-0.5, 0.58 * v), (0.26, 0.13), -45.0 * v), skin, 0.1)
    canvas.paint(canvas.polygon(smooth(mirror([(-0.96, 0.0), (-0.6, -0.1)]), 1)), skin, 0.05)
    canvas.paint(canvas.ellipse((0.78, 0.0), (0.2, 0.16)), skin, 0.16)
    for v in (-0.08, 0.08):
        canvas.decal(canvas.ellipse((0.87, v), (0.035, 0.035)), DARK)
    size = rng.uniform(0.24, 0.32)
    rows, columns = np.meshgrid(np.arange(-4, 5), np.arange(-4, 5))
    centres_u = size * 1.5 * columns.ravel()
    centres_v = size * np.sqrt(3) * (rows.ravel() + 0.5 * (columns.ravel() % 2))
    first, second = np.full((2, *canvas.u.shape), 9.0, dtype=np.float32)
    for u, v in zip(centres_u, centres_v):
        if np.hypot(u, v) < 1:
            distance = np.hypot(canvas.u - np.float32(u), canvas.v - np.float32(v))
            second = np.minimum(second, np.maximum(first, distance))
            first = np.minimum(first, distance)
    plate = smoothstep(second - first, 0.02, 0.07)
    glow = blend(smoothstep(first, 0.0, size), tone(scute, 1.6), scute)
    canvas.paint(canvas.ellipse((0.0, 0.0), (0.68, 0.58)), blend(plate, seam, glow), 0.5)


def draw_ladybug(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """Top view: round wing cases with spots and a seam, a dark head, six legs."""
    shell = family.color(rng, (0.75, 1.0), (0.75, 1.0))
    for u in (-0.35, 0.05, 0.45):
        leg = np.array([(u, -0.82), (u * 0.8, 0.0), (u, 0.82)])
        canvas.paint(canvas.stroke(leg, 0.08), DARK, 0.04)
    canvas.paint(canvas.ellipse((0.6, 0.0), (0.3, 0.36)), DARK, 0.25)
    for v in (-0.2, 0.2):
        canvas.decal(canvas.ellipse((0.7, v), (0.09, 0.08)), WHITE)
    count = int(rng.integers(2, 5))
    along = np.linspace(-0.55, 0.2, count)
    across = rng.uniform(0.2, 0.45, count)
    half = np.column_stack([along, across])
    centres = np.concatenate([half, half * (1, -1)])
    dots = spots(canvas.u, canvas.v, centres, np.tile(rng.uniform(0.1, 0.17, count), 2))
    seam = smoothstep(-np.abs(canvas.v), -0.035, -0.015)
    canvas.paint(canvas.ellipse((-0.12, 0.0), (0.66, 0.66)), blend(np.maximum(dots, seam), shell, DARK), 0.55)


def draw_butterfly(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """Top view: two pairs of bordered wings with eye spots, a thin body and antennae."""
    wing, inner, ring = family.color(rng), family.color(rng, (0.3, 0.8), (0.8, 1.0)), family.color(rng)
    distance = np.hypot(canvas.u * 1.1, canvas.v)
    fill = blend(smoothstep(distance, 0.15, 0.6), inner, wing)
    fore = [(0.12, 0.04), (0.5, -0.45), (0.82, -0.92), (0.3, -0.98), (-0.1, -0.6), (-0.08, 0.0)]
    hind = [(0.0, 0.0), (-0.1, -0.62), (-0.5, -0.75), (-0.85, -0.5), (-0.62, -0.2), (-0.1, 0.04)]
    for side in (1, -1):
        for wings, eye in ((hind, (-0.5, -0.48)), (fore, (0.38, -0.7))):
            outline = smooth(np.array(wings) * (1, side))
            canvas.paint(canvas.polygon(outline), DARK, 0.05, 0.02)
            centre = outline.mean(axis=0)
            canvas.decal(canvas.polygon(centre + (outline - centre) * 0.84), WHITE)
            canvas.paint(canvas.polygon(centre + (outline - centre) * 0.82), fill, 0.05, 0.0)
            for size, color in ((0.13, DARK), (0.09, ring), (0.04, DARK)):
                canvas.decal(canvas.ellipse((eye[0], eye[1] * side), (size, size)), color)
        canvas.paint(canvas.stroke(np.array([(0.4, 0.0), (0.75, 0.18 * side)]), 0.04), DARK, 0.02)
    canvas.paint(canvas.ellipse((0.0, 0.0), (0.5, 0.09)), DARK, 0.09)


def draw_starfish(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """Top view: five arms, rows of pale nodules along them."""
    skin, nodule = family.color(rng), family.color(rng, (0.1, 0.4), (0.9, 1.0))
    angles = np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2 == 0, 1.05, rng.uniform(0.34, 0.42))
    star = smooth(np.column_stack([radii * np.cos(angles), radii * np.sin(angles)]), 2)
    grain = noise(rng, canvas.u.shape, (30, 30), 2)
    darker = tone(skin, 0.65)
    canvas.paint(canvas.polygon(star), blend(smoothstep(grain, 0.3, 0.6), darker, skin), 0.22)
    reach = np.arange(1, 6) * 0.15
    centres = [(r * np.cos(a), r * np.sin(a)) for a in angles[::2] for r in reach]
    size = rng.uniform(0.035, 0.055)
    sizes = np.tile(size * np.linspace(1.2, 0.6, 5), 5)
    for (u, v), radius in zip([(0.0, 0.0), *centres], [size * 1.5, *sizes]):
        canvas.paint(canvas.ellipse((u, v), (radius, radius)), nodule, radius, 0.01)


def draw_bird(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """Seen from above in flight: swept wings with feather rows, a fanned tail, a beak."""
    back, tips = family.color(rng, (0.3, 0.8)), family.color(rng, (0.5, 1.0), (0.25, 0.6))
    beak = hsv(rng.uniform(0.09, 0.14), 0.9, 0.95)
    tail = [(-0.2, 0.0), (-0.25, -0.1), (-0.95, -0.26), (-0.88, 0.0)]
    canvas.paint(canvas.polygon(smooth(mirror(tail), 1)), tips, 0.08)
    span = np.abs(canvas.v)
    rows = stripes(canvas.u + 0.35 * span, rng.uniform(4, 6), 0.0, 0.6)
    feathers = blend(smoothstep(span, 0.45, 0.8), blend(rows, tone(back, 0.75), back), tips)
    wing = [(0.36, 0.0), (0.42, -0.4), (0.2, -0.8), (-0.3, -1.0), (-0.16, -0.5), (-0.26, -0.1)]
    for side in (1, -1):
        outline = smooth(np.array([*wing, (-0.2, 0.0)]) * (1, side), 2)
        canvas.paint(canvas.polygon(outline), feathers, 0.1)
    body = [(0.5, 0.0), (0.4, -0.14), (0.0, -0.2), (-0.45, -0.1), (-0.5, 0.0)]
    canvas.paint(canvas.polygon(smooth(mirror(body))), back, 0.2)
    canvas.paint(canvas.polygon(np.array([(0.94, 0.0), (0.68, -0.09), (0.68, 0.09)])), beak, 0.05)
    canvas.paint(canvas.ellipse((0.58, 0.0), (0.18, 0.15)), WHITE, 0.16)
    for v in (-0.08, 0.08):
        canvas.decal(canvas.ellipse((0.64, v), (0.03, 0.03)), DARK)
