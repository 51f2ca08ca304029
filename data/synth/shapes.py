"""The built-in categories: what each looks like and how it moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mobilevis.data.synth import animals, things
from mobilevis.data.synth.canvas import Canvas, Sprite
from mobilevis.data.synth.textures import TextureFamily


@dataclass(frozen=True)
class Shape:
    """One category.

    Attributes:
        draw: paints one random specimen.
        heading: ``motion`` if it turns to where it goes, else ``spin``.
        bend: amplitude of the sideways wave along the body, in sprite units.
        flap: amplitude of the relative change of its width, as of wings.
        size: typical diameter relative to the frame's height.
    """

    draw: Callable[[Canvas, np.random.Generator, TextureFamily], None]
    heading: str = "motion"
    bend: float = 0.0
    flap: float = 0.04
    size: float = 0.32


SHAPES = {
    "fish": Shape(animals.draw_fish, bend=0.12, size=0.34),
    "turtle": Shape(animals.draw_turtle, flap=0.06, size=0.36),
    "ladybug": Shape(animals.draw_ladybug, flap=0.03, size=0.27),
    "butterfly": Shape(animals.draw_butterfly, flap=0.45, size=0.34),
    "starfish": Shape(animals.draw_starfish, heading="spin", bend=0.08, size=0.34),
    "bird": Shape(animals.draw_bird, flap=0.3, size=0.38),
    "leaf": Shape(things.draw_leaf, heading="spin", bend=0.12, flap=0.15, size=0.34),
    "flower": Shape(things.draw_flower, heading="spin", bend=0.03, size=0.32),
    "car": Shape(things.draw_car, flap=0.0, size=0.36),
    "boat": Shape(things.draw_boat, flap=0.03, size=0.4),
    "donut": Shape(things.draw_donut, heading="spin", bend=0.04, size=0.3),
    "ball": Shape(things.draw_ball, heading="spin", flap=0.06, size=0.28),
    "mushroom": Shape(things.draw_mushroom, heading="spin", bend=0.08, size=0.32),
}


def draw_sprite(name: str, side: int, rng: np.random.Generator, family: TextureFamily) -> Sprite:
    """A random specimen of a category, (side, side) pixels."""
    canvas = Canvas(side)
    SHAPES[name].draw(canvas, rng, family)
    return canvas.finish()
