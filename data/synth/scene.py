"""Compose random scenes: which objects, where they go, and how the camera and the light move."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mobilevis.data.synth.backgrounds import draw_background
from mobilevis.data.synth.cast import Cast, Character
from mobilevis.data.synth.motion import (
    Camera,
    ObjectPath,
    draw_moments,
    random_camera,
    random_path,
    smooth_curve,
)
from mobilevis.data.synth.render import Actor, Light, Scene
from mobilevis.data.synth.textures import TextureFamily

T = TypeVar("T", Camera, Light, ObjectPath)

# How an object uses the frame, and how often: half of them stay, three in ten leave and come back.
VISITS = {"stay": 0.5, "enter": 0.1, "leave": 0.1, "return": 0.3}
LOOKALIKE_SHARE = 0.35  # of the objects after the first: the same character once more
OBJECTS = (3, 6)
SPRITE_HEIGHT = 0.5  # of the frame's: few objects are larger, and a finer sprite would only be minified
GROUND_SCALE = 1.7  # of the ground to the frame: room for pan, zoom and roll
GRAIN_ROOM = 32  # pixels by which the noise is larger than a frame


def random_scene(
    seed: tuple[int, ...],
    size: tuple[int, int],
    frames: int,
    cast: Cast,
    family: TextureFamily,
    pace: str = "moving",
) -> Scene:
    """A scene of a few moving objects.

    Args:
        seed: entropy; equal seeds give equal scenes.
        size: (height, width) in pixels.
        frames: length of the video.
        cast: where the objects come from.
        family: the backgrounds to draw from.
        pace: one of ``motion.PACES``.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    camera = random_camera(rng, frames)
    side = 32 * int(np.ceil(SPRITE_HEIGHT * height / 32))
    actors = [
        _random_actor(rng, character, camera, width / height) for character in _characters(rng, cast, side)
    ]
    ground = draw_background((int(GROUND_SCALE * height), int(GROUND_SCALE * width)), rng, family)
    grain = rng.standard_normal((height + GRAIN_ROOM, width + GRAIN_ROOM, 3), dtype=np.float32)
    scene = Scene(
        size=size,
        ground=ground,
        actors=tuple(actors),
        camera=camera,
        light=_random_light(rng, frames),
        grain=grain * np.float32(rng.uniform(1.0, 5.0)),
        seed=int(rng.integers(2**31)),
    )
    return hold(scene, draw_moments(rng, frames, pace))


def hold(scene: Scene, moments: NDArray[np.int64]) -> Scene:
    """A scene whose frame t shows another's moment ``moments[t]``, (T,); only the sensor's noise goes on."""

    def take(curves: T) -> T:
        return replace(curves, **{name: curve[moments] for name, curve in vars(curves).items()})

    actors = tuple(Actor(actor.character, take(actor.path)) for actor in scene.actors)
    return replace(scene, actors=actors, camera=take(scene.camera), light=take(scene.light))


def _characters(rng: np.random.Generator, cast: Cast, side: int) -> list[Character]:
    characters: list[Character] = []
    for _ in range(int(rng.integers(OBJECTS[0], OBJECTS[1] + 1))):
        if characters and rng.random() < LOOKALIKE_SHARE:
            characters.append(characters[rng.integers(len(characters))])
        else:
            characters.append(cast.pick(rng, side))
    return characters


def _random_actor(rng: np.random.Generator, character: Character, camera: Camera, aspect: float) -> Actor:
    diameter = character.size * rng.uniform(0.7, 1.35)
    visit = str(rng.choice(list(VISITS), p=list(VISITS.values())))
    return Actor(character, random_path(rng, camera, aspect, diameter, character.heading, visit))


def _random_light(rng: np.random.Generator, frames: int) -> Light:
    """Light from a slowly turning direction whose strength, tint and slope drift."""
    azimuth = rng.uniform(0, 2 * np.pi) + smooth_curve(rng, frames, 0.5, 80)
    height = rng.uniform(0.75, 1.2)
    direction = np.column_stack([np.cos(azimuth), np.sin(azimuth), np.full(frames, height)])
    strength = rng.uniform(0.85, 1.1) + smooth_curve(rng, frames, rng.uniform(0, 0.2), 40)
    tint = 1 + rng.uniform(-0.07, 0.07, 3) + smooth_curve(rng, frames, 0.04, 60)[:, None] * [1, 0, -1]
    slope = np.column_stack([smooth_curve(rng, frames, 0.35, 70) for _ in range(2)])
    return Light(direction / np.hypot(1, height), strength[:, None] * tint, slope)
