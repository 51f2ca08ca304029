"""Compose random scenes: which objects, where they go, and how the camera and the light move."""

from __future__ import annotations

import numpy as np

from mobilevis.data.synth.backgrounds import draw_background
from mobilevis.data.synth.motion import random_camera, random_path, smooth_curve
from mobilevis.data.synth.render import Actor, Light, Scene
from mobilevis.data.synth.shapes import SHAPES, draw_sprite
from mobilevis.data.synth.textures import TextureFamily

VISITS = ("stay", "enter", "leave", "return")
VISIT_WEIGHTS = (0.5, 0.1, 0.1, 0.3)
LOOKALIKE_SHARE = 0.35  # of the objects that repeat an earlier one's sprite
GROUND_SCALE = 1.7  # of the ground to the frame: room for pan, zoom and roll
GRAIN_ROOM = 32  # pixels by which the noise is larger than a frame


def random_light(rng: np.random.Generator, frames: int) -> Light:
    """Light from a slowly turning direction whose strength, tint and slope drift."""
    azimuth = rng.uniform(0, 2 * np.pi) + smooth_curve(rng, frames, 0.5, 80)
    height = rng.uniform(0.75, 1.2)
    direction = np.column_stack([np.cos(azimuth), np.sin(azimuth), np.full(frames, height)])
    strength = rng.uniform(0.85, 1.1) + smooth_curve(rng, frames, rng.uniform(0, 0.2), 40)
    tint = 1 + rng.uniform(-0.07, 0.07, 3) + smooth_curve(rng, frames, 0.04, 60)[:, None] * [1, 0, -1]
    slope = np.column_stack([smooth_curve(rng, frames, 0.35, 70) for _ in range(2)])
    return Light(direction / np.hypot(1, height), strength[:, None] * tint, slope)


def _random_actors(
    rng: np.random.Generator, camera, aspect: float, side: int, family: TextureFamily, count: int
) -> list[Actor]:
    names = list(SHAPES)
    actors: list[Actor] = []
    for _ in range(count):
        if actors and rng.random() < LOOKALIKE_SHARE:
            twin = actors[rng.integers(len(actors))]
            category, sprite = twin.category_id - 1, twin.sprite
        else:
            category = int(rng.integers(len(names)))
            sprite = draw_sprite(names[category], side, rng, family)
        shape = SHAPES[names[category]]
        diameter = shape.size * rng.uniform(0.7, 1.35)
        visit = VISITS[rng.choice(len(VISITS), p=VISIT_WEIGHTS)]
        path = random_path(rng, camera, aspect, diameter, shape.faces_motion, visit)
        actors.append(Actor(category + 1, sprite, path, shape.bend, shape.flap))
    return actors


def random_scene(seed: tuple[int, ...], size: tuple[int, int], frames: int, family: TextureFamily) -> Scene:
    """A scene of three to six moving objects.

    Args:
        seed: entropy; equal seeds give equal scenes.
        size: (height, width) in pixels.
        frames: length of the video.
        family: the colours and backgrounds to draw from.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    camera = random_camera(rng, frames)
    # The largest object is about 0.55 of the height across; a finer sprite would only be minified.
    side = 32 * int(np.ceil(0.5 * height / 32))
    actors = _random_actors(rng, camera, width / height, side, family, int(rng.integers(3, 7)))
    ground = draw_background((int(GROUND_SCALE * height), int(GROUND_SCALE * width)), rng, family)
    grain = rng.standard_normal((height + GRAIN_ROOM, width + GRAIN_ROOM, 3), dtype=np.float32)
    return Scene(
        size=size,
        ground=ground,
        actors=tuple(actors),
        camera=camera,
        light=random_light(rng, frames),
        grain=grain * np.float32(rng.uniform(1.0, 5.0)),
        seed=int(rng.integers(2**31)),
    )
