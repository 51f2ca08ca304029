"""Videos made of a COCO set: objects cut out of its images, and crops that move over its stills."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.data.coco import save_coco
from mobilevis.data.datasets import Annotation, Image, ImageDataset
from mobilevis.data.synth.sources import SynthOptions, video_source
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError

from .conftest import image_annotation, rectangle

STILL = (120, 160)
RED, BLUE = (220, 20, 20), (20, 20, 220)
CATEGORIES = (Category(7, "red"), Category(40, "blue"))


def write_set(folder: Path, red: Annotation, blue: Annotation) -> SynthOptions:
    """A set of one grey image with a red and a blue rectangle."""
    image = np.full((*STILL, 3), 128, dtype=np.uint8)
    image[20:70, 20:60], image[60:100, 90:140] = RED, BLUE
    cv2.imwrite(str(folder / "still.png"), image[..., ::-1])
    dataset = ImageDataset(CATEGORIES, (Image(1, "still.png", *STILL),), (red, blue))
    save_coco(dataset, folder / "set.json")
    return SynthOptions(
        videos=4, frames=12, size=(128, 256), sprites=folder / "set.json", images=folder, seed=1
    )


@pytest.fixture
def options(tmp_path) -> SynthOptions:
    red = image_annotation(1, 1, 7, rectangle(20, 20, 50, 40, STILL))
    blue = image_annotation(2, 1, 40, rectangle(60, 90, 40, 50, STILL))
    return write_set(tmp_path, red, blue)


def pseudo(options: SynthOptions) -> SynthOptions:
    return SynthOptions(**{**vars(options), "mode": "pseudo"})


def is_colour(pixels: np.ndarray, category: int) -> float:
    """Share of pixels whose strongest channel is the category's."""
    channel = {7: 0, 40: 2}[category]
    others = np.delete(pixels.astype(int), channel, axis=1)
    return float((pixels[:, channel] > others.max(axis=1)).mean())


@pytest.mark.parametrize("mode", ["video", "pseudo"])
def test_masks_follow_the_objects_of_the_images(options, mode):
    source = video_source(pseudo(options) if mode == "pseudo" else options)
    checked = 0
    for index in range(4):
        video = source.video(index)
        for t in (0, 11):
            frame, masks = video.draw(t)
            for category, mask in zip(video.category_ids, masks):
                if mask is not None and mask.sum() > 500:
                    assert is_colour(frame[mask], category) > 0.9
                    checked += 1
    assert checked >= 6


def test_categories_are_those_of_the_set(options):
    assert video_source(options).categories == CATEGORIES


def test_a_crop_moves_over_the_still(options):
    video = video_source(pseudo(options)).video(0)
    first, last = video.draw(0)[0], video.draw(11)[0]
    assert np.abs(first.astype(int) - last).mean() > 5


def test_crowds_are_neither_cut_out_nor_tracked(tmp_path):
    red = image_annotation(1, 1, 7, rectangle(20, 20, 50, 40, STILL))
    crowd = Annotation(2, 1, 40, rectangle(60, 90, 40, 50, STILL), 2000.0, (90, 60, 50, 40), iscrowd=True)
    options = write_set(tmp_path, red, crowd)
    for chosen in (options, pseudo(options)):
        assert set(video_source(chosen).video(0).category_ids) == {7}


def test_objects_that_the_border_cuts_off_are_not_cut_out(tmp_path):
    red = image_annotation(1, 1, 7, rectangle(0, 20, 50, 40, STILL))
    small = image_annotation(2, 1, 40, rectangle(60, 90, 4, 5, STILL))
    with pytest.raises(UserError, match=r"no object of 1024 pixels .*set\.json"):
        video_source(write_set(tmp_path, red, small))


def test_an_image_that_is_no_image_is_named(options):
    (options.images / "still.png").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"is broken.*still\.png"):
        video_source(pseudo(options)).video(0)


def test_an_image_of_another_size_is_named(options):
    cv2.imwrite(str(options.images / "still.png"), np.zeros((60, 60, 3), np.uint8))
    with pytest.raises(UserError, match=r"the image is 60x60, its annotations say 120x160 .*still\.png"):
        video_source(pseudo(options)).video(0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mode": "film"}, "unknown mode film: choose one of video, pseudo"),
        ({"mode": "pseudo"}, "pseudo-videos need stills"),
        ({"textures": "z"}, "unknown textures z: choose one of a, b"),
        ({"sprites": Path("set.json")}, "give both --sprites and --images"),
        ({"images": Path("images")}, "give both --sprites and --images"),
        ({"size": (32, 640)}, "size 32x640 is not 64 to"),
        ({"size": (640, 10**6)}, "size 640x1000000 is not 64 to 4096"),
        ({"videos": 0}, "0 videos"),
        ({"frames": 0}, "of 0 frames"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_options_that_cannot_be_drawn_are_refused(wrong, words):
    with pytest.raises(UserError, match=words):
        SynthOptions(**wrong)
