"""Small sets, as objects and as the JSON of their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from mobilevis.data.datasets import Annotation, Image, ImageDataset, Track, Video, VideoDataset
from mobilevis.data.segmentations import bounding_box
from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category
from mobilevis.runtime.rle import Rle

SIZE = (24, 32)
CATEGORIES = (Category(3, "cat"), Category(17, "dog"))

WriteJson = Callable[[Any], Path]


def rectangle(top: int, left: int, height: int = 6, width: int = 8, size: tuple[int, int] = SIZE) -> Rle:
    """RLE of a filled rectangle."""
    mask = np.zeros(size, dtype=bool)
    mask[top : top + height, left : left + width] = True
    return rle.encode(mask)


def image_annotation(identity: int, image_id: int, category_id: int, mask: Rle) -> Annotation:
    return Annotation(identity, image_id, category_id, mask, float(rle.area(mask)), bounding_box(mask))


@pytest.fixture
def image_set() -> ImageDataset:
    images = (Image(5, "a.jpg", *SIZE), Image(9, "b/c.jpg", *SIZE))
    annotations = (
        image_annotation(1, 5, 3, rectangle(2, 2)),
        image_annotation(2, 5, 17, rectangle(10, 12)),
        image_annotation(3, 9, 17, rectangle(0, 0)),
    )
    return ImageDataset(CATEGORIES, images, annotations)


@pytest.fixture
def video_set() -> VideoDataset:
    videos = (Video(4, *SIZE, ("v/0.jpg", "v/1.jpg", "v/2.jpg")), Video(6, *SIZE, ("w/0.jpg",)))
    tracks = (
        Track(1, 4, 3, (rectangle(2, 2), None, rectangle(4, 4)), (48.0, None, 48.0)),
        Track(2, 6, 17, (rectangle(8, 8),), (48.0,), iscrowd=True),
    )
    return VideoDataset(CATEGORIES, videos, tracks)


@pytest.fixture
def write_json(tmp_path: Path) -> WriteJson:
    """Write a value to a file and return its path."""

    def write(content: Any) -> Path:
        path = tmp_path / "file.json"
        path.write_text(json.dumps(content))
        return path

    return write
