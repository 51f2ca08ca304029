"""Who plays in a scene: specimens of the built-in shapes, or cut-outs of a COCO set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from mobilevis.data.datasets import Annotation, ImageDataset
from mobilevis.data.images import read_image
from mobilevis.data.synth.canvas import Sprite, make_sprite
from mobilevis.data.synth.shapes import SHAPES, draw_sprite
from mobilevis.data.synth.textures import TextureFamily
from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError

MIN_CUTOUT_AREA = 32**2  # pixels: COCO's border between small and medium objects
CUTOUT_MARGIN = 1.06  # the sprite to the object: room for an anti-aliased border


@dataclass(frozen=True)
class Character:
    """A specimen that may appear in a scene, once or as look-alikes.

    Attributes:
        category_id: as in the set's categories.
        sprite: its looks.
        size: typical diameter in frame heights.
        heading: ``motion``: it turns to where it goes; ``spin``; or ``upright``: it only sways.
        bend: amplitude of the sideways wave along the body, in sprite units.
        flap: amplitude of the relative change of its width, as of wings.
    """

    category_id: int
    sprite: Sprite
    size: float
    heading: str
    bend: float
    flap: float


class Cast(Protocol):
    """Where a scene's characters come from."""

    @property
    def categories(self) -> tuple[Category, ...]:
        """All categories that can appear."""

    def pick(self, rng: np.random.Generator, side: int) -> Character:
        """A random character whose sprite is (side, side) pixels."""


@dataclass(frozen=True)
class ShapeCast:
    """The built-in categories, in colours of one family."""

    family: TextureFamily

    @property
    def categories(self) -> tuple[Category, ...]:
        """The built-in categories, ids from 1."""
        return tuple(Category(index, name) for index, name in enumerate(SHAPES, start=1))

    def pick(self, rng: np.random.Generator, side: int) -> Character:
        """A random specimen of a random category."""
        index = int(rng.integers(len(SHAPES)))
        name, shape = list(SHAPES.items())[index]
        sprite = draw_sprite(name, side, rng, self.family)
        return Character(index + 1, sprite, shape.size, shape.heading, shape.bend, shape.flap)


@dataclass(frozen=True)
class CutoutCast:
    """Objects cut out of a COCO set's images.

    Attributes:
        dataset: the set.
        images: its folder of images.
        usable: category id → whole objects, none of them cut off by its image's border.
    """

    dataset: ImageDataset
    images: Path
    usable: Mapping[int, tuple[Annotation, ...]]

    @property
    def categories(self) -> tuple[Category, ...]:
        """The set's categories with the set's ids."""
        return self.dataset.categories

    def pick(self, rng: np.random.Generator, side: int) -> Character:
        """A random object of a random category, mirrored half of the time."""
        group = self.usable[list(self.usable)[rng.integers(len(self.usable))]]
        annotation = group[rng.integers(len(group))]
        sprite = self._cut(annotation, side, mirror=bool(rng.random() < 0.5))
        return Character(annotation.category_id, sprite, 0.42, "upright", bend=0.03, flap=0.05)

    def _cut(self, annotation: Annotation, side: int, mirror: bool) -> Sprite:
        record = self.dataset.image_by_id[annotation.image_id]
        image = read_image(self.images / record.file_name, (record.height, record.width))
        mask = rle.decode(annotation.segmentation).astype(np.float32)
        x, y, width, height = annotation.bbox
        scale = side / (CUTOUT_MARGIN * max(width, height))
        matrix = np.array([[scale, 0, side / 2 - scale * (x + width / 2)],
                           [0, scale, side / 2 - scale * (y + height / 2)]])  # fmt: skip
        if mirror:
            matrix[0] = [-scale, 0, side - matrix[0, 2]]
        rgb = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32)
        coverage = cv2.warpAffine(mask, matrix, (side, side), flags=cv2.INTER_LINEAR)
        # Annotators draw a little outside the object: half a texel less takes the halo of the old ground off.
        coverage = np.clip(2 * cv2.blur(coverage, (3, 3)) - 1, 0, 1)
        return make_sprite(rgb, coverage, np.zeros((side, side, 2), dtype=np.float32))


def cutout_cast(dataset: ImageDataset, images: Path, file: Path) -> CutoutCast:
    """The cast of a COCO set's whole objects of at least ``MIN_CUTOUT_AREA`` pixels.

    Args:
        dataset: as read from ``file``.
        images: the folder of its images.
        file: the annotation file, for the error message.

    Raises:
        UserError: the set has no such object.
    """
    usable: dict[int, list[Annotation]] = {}
    for annotation in dataset.annotations:
        image = dataset.image_by_id[annotation.image_id]
        x, y, width, height = annotation.bbox
        whole = x > 1 and y > 1 and x + width < image.width - 1 and y + height < image.height - 1
        if whole and not annotation.iscrowd and annotation.area >= MIN_CUTOUT_AREA:
            usable.setdefault(annotation.category_id, []).append(annotation)
    if not usable:
        what = f"no object of {MIN_CUTOUT_AREA} pixels or more lies wholly inside its image"
        raise UserError(what, file, "give a larger set")
    return CutoutCast(dataset, images, {key: tuple(group) for key, group in usable.items()})
