"""Drawings of the plant, food, toy and vehicle categories, seen from above, facing right."""

from __future__ import annotations

import numpy as np

from mobilevis.data.synth.animals import DARK, WHITE, mirror, smooth
from mobilevis.data.synth.canvas import Canvas
from mobilevis.data.synth.textures import TextureFamily, blend, hsv, noise, smoothstep, stripes, tone

GLASS = (60.0, 82.0, 104.0)


def draw_leaf(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """A pointed, toothed blade with a midrib, side veins and a stalk."""
    blade, vein = family.color(rng, value=(0.45, 0.85)), family.color(rng, (0.15, 0.4), (0.85, 1.0))
    width, teeth = rng.uniform(0.42, 0.6), int(rng.integers(7, 13))
    along = np.linspace(0.97, -0.6, 4 * teeth)
    t = (along + 0.6) / 1.57
    edge = width * np.sin(np.pi * t**0.8) ** 0.85
    tooth = 1 + 0.14 * ((np.arange(along.size) % 4) / 4)
    half = list(zip(along, -edge * tooth))
    canvas.paint(canvas.stroke(np.array([(-0.95, 0.1), (-0.75, 0.03), (-0.5, 0.0)]), 0.07), vein, 0.04)
    mottle = noise(rng, canvas.u.shape, (9, 9), 3)
    color = blend(smoothstep(mottle, 0.25, 0.75), tone(blade, 0.7), blade)
    canvas.paint(canvas.polygon(mirror(half)), color, 0.2)
    canvas.decal(canvas.stroke(np.array([(-0.65, 0.0), (0.93, 0.0)]), 0.04), vein)
    for u in np.linspace(-0.45, 0.6, 6):
        reach = 0.85 * np.interp(u, along[::-1], edge[::-1])
        for side in (-1, 1):
            canvas.decal(canvas.stroke(np.array([(u, 0.0), (u + 0.25, side * reach)]), 0.022), vein)


def draw_flower(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """A ring of petals around a seeded disc."""
    petal, base = family.color(rng, (0.4, 0.95), (0.8, 1.0)), family.color(rng, (0.5, 1.0))
    disc = hsv(rng.uniform(0.08, 0.15), 0.9, rng.uniform(0.5, 0.95))
    count, width = int(rng.integers(6, 11)), rng.uniform(0.85, 1.1)
    radius = np.hypot(canvas.u, canvas.v)
    color = blend(smoothstep(radius, 0.3, 0.75), base, petal)
    for angle in np.arange(count) * (360 / count):
        turn = np.deg2rad(angle)
        centre = (0.6 * np.cos(turn), 0.6 * np.sin(turn))
        canvas.paint(canvas.ellipse(centre, (0.38, width * 1.7 / count), angle), color, 0.12, 0.03)
    seeds = stripes(canvas.u, 9) * stripes(canvas.v, 9)
    center = blend(seeds, disc, tone(disc, 0.5))
    canvas.paint(canvas.ellipse((0.0, 0.0), (0.3, 0.3)), center, 0.25, 0.08)


def draw_car(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """A toy car: wheels, body with a racing stripe, windscreens, roof and lights."""
    body, stripe = family.color(rng, (0.6, 1.0)), family.color(rng, (0.0, 0.6), (0.85, 1.0))
    width = rng.uniform(0.4, 0.46)
    for u in (-0.55, 0.55):
        for v in (-width, width):
            wheel = np.array(
                [(u - 0.18, v - 0.1), (u + 0.18, v - 0.1), (u + 0.18, v + 0.1), (u - 0.18, v + 0.1)]
            )
            canvas.paint(canvas.polygon(smooth(wheel, 2)), DARK, 0.06)
    outline = [(0.97, 0.0), (0.95, -width * 0.7), (0.7, -width), (-0.8, -width), (-0.95, -width * 0.8)]
    lines = smoothstep(-np.abs(np.abs(canvas.v) - 0.09), -0.06, -0.04)
    canvas.paint(canvas.polygon(smooth(mirror(outline), 2)), blend(lines, body, stripe), 0.14)
    cabin = [(0.4, 0.0), (0.36, -width * 0.78), (-0.55, -width * 0.8), (-0.68, 0.0)]
    canvas.paint(canvas.polygon(smooth(mirror(cabin), 1)), GLASS, 0.08)
    roof = [(0.12, 0.0), (0.1, -width * 0.68), (-0.4, -width * 0.68), (-0.45, 0.0)]
    canvas.paint(canvas.polygon(smooth(mirror(roof), 1)), blend(lines, body, stripe), 0.08)
    for v in (-0.7 * width, 0.7 * width):
        canvas.decal(canvas.ellipse((0.9, v), (0.06, 0.09)), (255, 250, 200))
        canvas.decal(canvas.ellipse((-0.9, v), (0.05, 0.08)), (200, 30, 30))


def draw_boat(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """A rowing boat: a pointed hull, a planked floor, benches and two oars."""
    hull, wood = (
        family.color(rng),
        hsv(rng.uniform(0.05, 0.1), rng.uniform(0.4, 0.65), rng.uniform(0.5, 0.85)),
    )
    pale = tone(wood, 1.25)
    outline = np.array([(0.98, 0.0), (0.6, -0.26), (0.0, -0.42), (-0.6, -0.38), (-0.85, -0.25), (-0.88, 0.0)])
    for side in (-1, 1):
        canvas.paint(canvas.stroke(np.array([(0.1, 0.2 * side), (-0.3, 0.8 * side)]), 0.07), pale, 0.035)
        canvas.paint(canvas.ellipse((-0.34, 0.84 * side), (0.2, 0.09), 124.0 * side), pale, 0.06)
    canvas.paint(canvas.polygon(smooth(mirror([*map(tuple, outline)]))), hull, 0.09)
    planks = blend(stripes(canvas.v, 9, 0.25, 0.8), tone(wood, 0.55), wood)
    floor = smooth(mirror([*map(tuple, outline * (0.84, 0.74))]))
    canvas.paint(canvas.polygon(floor), planks, 0.05, -0.1)
    for u in (0.36, -0.08, -0.5):
        half = 0.3 - 0.22 * max(u, 0)
        bench = np.array([(u - 0.08, -half), (u + 0.08, -half), (u + 0.08, half), (u - 0.08, half)])
        canvas.paint(canvas.polygon(bench), pale, 0.04)


def draw_donut(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """A ring of dough with a wavy icing and sprinkles; the hole is a hole."""
    dough = hsv(rng.uniform(0.07, 0.1), rng.uniform(0.5, 0.7), rng.uniform(0.65, 0.9))
    icing = family.color(rng, (0.3, 0.9))
    hole = rng.uniform(0.22, 0.3)
    t = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    circle = np.column_stack([np.cos(t), np.sin(t)])
    wave = 0.03 * np.sin(int(rng.integers(6, 10)) * t + rng.uniform(0, 6))[:, None]
    whole, ring = canvas.polygon(0.95 * circle), canvas.polygon((0.84 + wave) * circle)
    opening, inner = canvas.polygon(hole * circle), canvas.polygon((hole + 0.1 + wave) * circle)
    canvas.paint(whole & ~opening, dough, 0.34)
    canvas.paint(ring & ~inner, icing, 0.2, 0.02)
    middle = (hole + 0.95) / 2
    for angle in rng.uniform(0, 2 * np.pi, 36):
        radius, turn = middle + rng.uniform(-0.15, 0.15), rng.uniform(0, 180)
        centre = (radius * np.cos(angle), radius * np.sin(angle))
        canvas.paint(canvas.ellipse(centre, (0.06, 0.022), turn), family.color(rng), 0.02, 0.01)
    canvas.cut(opening)


def draw_ball(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """A beach ball: sectors of alternating colours around an off-centre pole."""
    first, second = family.color(rng), family.color(rng, (0.0, 0.9), (0.85, 1.0))
    pole = rng.uniform(-0.25, 0.25, 2)
    sectors = 2 * int(rng.integers(2, 5))
    angle = np.arctan2(canvas.v - np.float32(pole[1]), canvas.u - np.float32(pole[0]))
    panels = blend(smoothstep(np.cos(angle * (sectors / 2)), -0.06, 0.06), first, second)
    canvas.paint(canvas.ellipse((0.0, 0.0), (0.92, 0.92)), panels, 0.92)
    canvas.decal(canvas.ellipse((pole[0], pole[1]), (0.13, 0.13)), WHITE)


def draw_mushroom(canvas: Canvas, rng: np.random.Generator, family: TextureFamily) -> None:
    """Side view: a domed, spotted cap on a pale stem; the cap faces right."""
    cap, spot = family.color(rng, (0.6, 1.0), (0.6, 0.95)), family.color(rng, (0.0, 0.2), (0.92, 1.0))
    stem = [(0.15, 0.0), (0.15, -0.2), (-0.45, -0.17), (-0.85, -0.28), (-0.9, 0.0)]
    fibres = noise(rng, canvas.u.shape, (40, 3), 2)
    canvas.paint(canvas.polygon(smooth(mirror(stem), 2)), blend(fibres, (205, 190, 165), WHITE), 0.18)
    dome = [(0.92, 0.0), (0.8, -0.5), (0.3, -0.95), (-0.12, -0.95), (-0.06, -0.4), (0.0, 0.0)]
    cover = canvas.polygon(smooth(mirror(dome)))
    canvas.paint(cover, cap, 0.4, 0.12)
    for v in np.linspace(-0.65, 0.65, int(rng.integers(3, 6))):
        centre = (rng.uniform(0.2, 0.72 - 0.4 * abs(v)), v)
        size = rng.uniform(0.07, 0.14)
        canvas.paint(canvas.ellipse(centre, (size, size * 1.1)) & cover, spot, 0.06, 0.01)
