"""The kinds of synthetic videos, by options: who draws video k."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Optional, Protocol

from mobilevis.data.coco import load_coco
from mobilevis.data.datasets import MAX_VIDEO_LENGTH, Annotation, Image, ImageDataset
from mobilevis.data.images import read_image
from mobilevis.data.synth.cast import Cast, ShapeCast, cutout_cast
from mobilevis.data.synth.motion import PACES
from mobilevis.data.synth.pseudo import random_pseudo_video
from mobilevis.data.synth.render import Frame, Mask
from mobilevis.data.synth.scene import random_scene
from mobilevis.data.synth.textures import FAMILIES
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError

MODES = ("video", "pseudo")
SIDES = (64, 4096)  # pixels: smaller frames show no object, larger grounds take gigabytes


@dataclass(frozen=True)
class SynthOptions:
    """What to draw.

    Attributes:
        videos: number of videos.
        frames: length of each.
        size: (height, width) in pixels.
        seed: video k depends on the seed and on k only.
        textures: name of the family of colours and backgrounds.
        mode: ``video`` moves objects over a ground, ``pseudo`` moves a crop over the stills of a COCO set.
        sprites: COCO annotation file whose objects are cut out, or whose stills are taken; None for the
            built-in shapes.
        images: that set's folder of images.
        mp4: also write each video as a file.
        pace: one of ``motion.PACES``; pseudo-videos always move.
    """

    videos: int = 200
    frames: int = 36
    size: tuple[int, int] = (320, 640)
    seed: int = 0
    textures: str = "a"
    mode: str = "video"
    sprites: Optional[Path] = None
    images: Optional[Path] = None
    mp4: bool = False
    pace: str = "moving"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UserError(f"unknown mode {self.mode}", fix=f"choose one of {', '.join(MODES)}")
        if self.textures not in FAMILIES:
            raise UserError(f"unknown textures {self.textures}", fix=f"choose one of {', '.join(FAMILIES)}")
        if self.pace not in PACES:
            raise UserError(f"unknown pace {self.pace}", fix=f"choose one of {', '.join(PACES)}")
        if self.mode == "pseudo" and self.pace != "moving":
            raise UserError(f"pseudo-videos cannot be {self.pace}", fix="leave --pace out")
        if self.mode == "pseudo" and self.sprites is None:
            raise UserError("pseudo-videos need stills", fix="give --sprites COCO.json and --images DIR")
        if (self.sprites is None) != (self.images is None):
            raise UserError("an annotation file goes with its images", fix="give both --sprites and --images")
        if self.videos < 1 or not 1 <= self.frames <= MAX_VIDEO_LENGTH or self.seed < 0:
            what = f"{self.videos} videos of {self.frames} frames from seed {self.seed} cannot be drawn"
            raise UserError(what, fix="give positive numbers")
        if any(not SIDES[0] <= side <= SIDES[1] for side in self.size):
            what = f"size {self.size[0]}x{self.size[1]} is not {SIDES[0]} to {SIDES[1]} pixels a side"
            raise UserError(what, fix="give --size HEIGHTxWIDTH")


class DrawnVideo(Protocol):
    """A video that can be drawn frame by frame, in any order."""

    @property
    def length(self) -> int:
        """Number of frames."""

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Category of each object."""

    def draw(self, t: int) -> tuple[Frame, list[Optional[Mask]]]:
        """Frame t, (H, W, 3) uint8 RGB, and each object's visible part, (H, W) bool or None."""


class VideoSource(Protocol):
    """Draws the videos of a set."""

    @property
    def categories(self) -> tuple[Category, ...]:
        """All categories that can appear."""

    def video(self, index: int) -> DrawnVideo:
        """Video ``index``, the same whatever else is drawn."""


@dataclass(frozen=True)
class SceneSource:
    """Scenes of moving objects."""

    options: SynthOptions
    cast: Cast

    @property
    def categories(self) -> tuple[Category, ...]:
        """The cast's."""
        return self.cast.categories

    def video(self, index: int) -> DrawnVideo:
        """A random scene."""
        options = self.options
        seed = (options.seed, index)
        family = FAMILIES[options.textures]
        return random_scene(seed, options.size, options.frames, self.cast, family, options.pace)


@dataclass(frozen=True)
class PseudoSource:
    """Moving crops over the stills of a COCO set, each still in turn."""

    options: SynthOptions
    dataset: ImageDataset
    images: Path
    stills: tuple[tuple[Image, tuple[Annotation, ...]], ...]

    @property
    def categories(self) -> tuple[Category, ...]:
        """The set's."""
        return self.dataset.categories

    def video(self, index: int) -> DrawnVideo:
        """A random path over still ``index``, counted around."""
        options = self.options
        image, annotations = self.stills[index % len(self.stills)]
        still = read_image(self.images / image.file_name, (image.height, image.width))
        return random_pseudo_video((options.seed, index), options.size, options.frames, still, annotations)


@lru_cache(maxsize=1)
def video_source(options: SynthOptions) -> VideoSource:
    """The source for the options; kept, since a large annotation file takes long to read.

    Raises:
        UserError: the annotation file is malformed or has nothing to draw.
    """
    if options.sprites is None or options.images is None:
        return SceneSource(options, ShapeCast(FAMILIES[options.textures]))
    dataset = load_coco(options.sprites, options.images)
    if options.mode == "video":
        return SceneSource(options, cutout_cast(dataset, options.images, options.sprites))
    stills = []
    for image in dataset.images:
        # A crowd region has no instances to learn: like SeqFormer, only single objects become tracks.
        single = tuple(a for a in dataset.annotations_by_image[image.id] if not a.iscrowd)
        if single:
            stills.append((image, single))
    if not stills:
        raise UserError("no image has an object", options.sprites, "give another set")
    return PseudoSource(options, dataset, options.images, tuple(stills))
