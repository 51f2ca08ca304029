"""What a data set holds, whichever format it was read from: categories, images or videos, and their objects.

Masks are compressed RLE dictionaries (``mobilevis.runtime.rle``) of the image's or video's own size, so that
a set is small in memory and equal masks are equal values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Optional

from mobilevis.runtime.categories import Category
from mobilevis.runtime.rle import Rle

MAX_SIDE = 1 << 14  # pixels
MAX_VIDEO_LENGTH = 1 << 20  # frames: 14 hours at 20 a second


@dataclass(frozen=True)
class Image:
    """A still: its file, relative to the folder of images, and its size in pixels.

    ``labelled_classes`` are the names of the classes of which every object is annotated; None for all.
    """

    id: int
    file_name: str
    height: int
    width: int
    labelled_classes: Optional[tuple[str, ...]] = None

    def __post_init__(self) -> None:
        _check_size(self.height, self.width)


@dataclass(frozen=True)
class Annotation:
    """An object of an image.

    Attributes:
        id: unique in the set.
        image_id: the image's id.
        category_id: the category's own id.
        segmentation: compressed RLE.
        area: in pixels, as the file says, else the mask's.
        bbox: (x, y, width, height) in pixels.
        iscrowd: whether it is a group of objects that were not told apart.
    """

    id: int
    image_id: int
    category_id: int
    segmentation: Rle
    area: float
    bbox: tuple[float, float, float, float]
    iscrowd: bool = False


@dataclass(frozen=True)
class ImageResult:
    """A predicted object of an image; the score is any finite number, higher is surer."""

    image_id: int
    category_id: int
    score: float
    segmentation: Rle


@dataclass(frozen=True)
class Video:
    """A video: its frames' files in order, relative to the folder of frames, and their size in pixels."""

    id: int
    height: int
    width: int
    file_names: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_size(self.height, self.width)
        if not 1 <= len(self.file_names) <= MAX_VIDEO_LENGTH:
            raise ValueError(f"{len(self.file_names)} frames are not 1 to {MAX_VIDEO_LENGTH}")

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.file_names)


@dataclass(frozen=True)
class Track:
    """An object of a video.

    Attributes:
        id: unique in the set.
        video_id: the video's id.
        category_id: the category's own id.
        segmentations: for each frame the visible part as compressed RLE, or None where it is not seen.
        areas: for each frame in pixels, as the file says, else the mask's; None where it is not seen.
        iscrowd: whether it is a group of objects that were not told apart.
    """

    id: int
    video_id: int
    category_id: int
    segmentations: tuple[Optional[Rle], ...]
    areas: tuple[Optional[float], ...]
    iscrowd: bool = False

    def __post_init__(self) -> None:
        if len(self.areas) != len(self.segmentations):
            raise ValueError(f"{len(self.areas)} areas for {len(self.segmentations)} segmentations")


@dataclass(frozen=True)
class VideoResult:
    """A predicted object of a video: one segmentation or None for every frame, and a finite score."""

    video_id: int
    category_id: int
    score: float
    segmentations: tuple[Optional[Rle], ...]


@dataclass(frozen=True)
class ImageDataset:
    """Images with their objects; ids are unique and refer to records of the set.

    ``notes`` tell a person what of the file was mended or left out.
    """

    categories: tuple[Category, ...]
    images: tuple[Image, ...]
    annotations: tuple[Annotation, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def image_by_id(self) -> Mapping[int, Image]:
        """Image id → image."""
        return {image.id: image for image in self.images}

    @cached_property
    def category_by_id(self) -> Mapping[int, Category]:
        """Category id → category."""
        return {category.id: category for category in self.categories}

    @cached_property
    def annotations_by_image(self) -> Mapping[int, tuple[Annotation, ...]]:
        """Image id → its annotations in the file's order, for every image."""
        grouped: dict[int, list[Annotation]] = {image.id: [] for image in self.images}
        for annotation in self.annotations:
            grouped[annotation.image_id].append(annotation)
        return {key: tuple(group) for key, group in grouped.items()}


@dataclass(frozen=True)
class VideoDataset:
    """Videos with their tracks; ids are unique and refer to records of the set.

    ``notes`` tell a person what of the file was mended or left out.
    """

    categories: tuple[Category, ...]
    videos: tuple[Video, ...]
    tracks: tuple[Track, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def video_by_id(self) -> Mapping[int, Video]:
        """Video id → video."""
        return {video.id: video for video in self.videos}

    @cached_property
    def category_by_id(self) -> Mapping[int, Category]:
        """Category id → category."""
        return {category.id: category for category in self.categories}

    @cached_property
    def tracks_by_video(self) -> Mapping[int, tuple[Track, ...]]:
        """Video id → its tracks in the file's order, for every video."""
        grouped: dict[int, list[Track]] = {video.id: [] for video in self.videos}
        for track in self.tracks:
            grouped[track.video_id].append(track)
        return {key: tuple(group) for key, group in grouped.items()}


def _check_size(height: int, width: int) -> None:
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ValueError(f"size {height}x{width} is not 1 to {MAX_SIDE} pixels a side")
