"""What the frames of a COCO, YOLO or YouTube-VIS set show, read from its annotations; no pixel is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from mobilevis.data.coco import load_coco
from mobilevis.data.datasets import ImageDataset, VideoDataset
from mobilevis.data.yolo import load_yolo
from mobilevis.data.ytvis import load_ytvis
from mobilevis.runtime.categories import Category


@dataclass(frozen=True)
class FrameRecord:
    """Where a frame lies and what it shows.

    Attributes:
        file: the image.
        size: (height, width).
        instances: class index, identity and compressed RLE of each.
        labelled: names of the classes of which every instance is there; None for all of the set's.
        crowds: compressed RLE of instances that were not told apart.
    """

    file: Path
    size: tuple[int, int]
    instances: tuple[tuple[int, int, Mapping[str, Any]], ...]
    labelled: Optional[tuple[str, ...]] = None
    crowds: tuple[Mapping[str, Any], ...] = ()


Videos = Sequence[Sequence[FrameRecord]]
Contents = tuple[list[Category], list[list[FrameRecord]], tuple[str, ...]]


def _read_coco(annotations: Path, images: Path, strict: bool) -> Contents:
    return _stills(load_coco(annotations, images, strict), images)


def _read_yolo(annotations: Path, images: Path, strict: bool) -> Contents:
    return _stills(load_yolo(annotations, images, strict), images)


def _stills(dataset: ImageDataset, images: Path) -> Contents:
    """One-frame videos. Crowds are no instances; images without any are left out, as in detectron2."""
    indices = class_indices(dataset)
    videos = []
    for image in dataset.images:
        annotations = dataset.annotations_by_image[image.id]
        instances = tuple(
            (indices[annotation.category_id], annotation.id, annotation.segmentation)
            for annotation in annotations
            if not annotation.iscrowd
        )
        crowds = tuple(annotation.segmentation for annotation in annotations if annotation.iscrowd)
        if instances:
            file, size = images / image.file_name, (image.height, image.width)
            videos.append([FrameRecord(file, size, instances, image.labelled_classes, crowds)])
    return sort_categories(dataset), videos, dataset.notes


def _read_youtube_vis(annotations: Path, images: Path, strict: bool) -> Contents:
    """Every frame of every video, also those that show nothing."""
    dataset = load_ytvis(annotations, images, strict)
    indices = class_indices(dataset)
    videos = []
    for video in dataset.videos:
        tracks = [track for track in dataset.tracks_by_video[video.id] if not track.iscrowd]
        frames = []
        for index, name in enumerate(video.file_names):
            visible = [(track, track.segmentations[index]) for track in tracks]
            instances = tuple(
                (indices[track.category_id], track.id, mask) for track, mask in visible if mask is not None
            )
            frames.append(FrameRecord(images / name, (video.height, video.width), instances))
        videos.append(frames)
    return sort_categories(dataset), videos, dataset.notes


def sort_categories(dataset: ImageDataset | VideoDataset) -> list[Category]:
    """Categories in the order of their ids, which is the order of the classes."""
    return sorted(dataset.categories, key=lambda category: category.id)


def class_indices(dataset: ImageDataset | VideoDataset) -> dict[int, int]:
    """Category id → class index."""
    return {category.id: index for index, category in enumerate(sort_categories(dataset))}


READERS: Mapping[str, Callable[[Path, Path, bool], Contents]] = {
    "coco": _read_coco,
    "yolo-seg": _read_yolo,
    "youtube-vis": _read_youtube_vis,
}
