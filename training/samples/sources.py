"""Annotated frames of a COCO, YOLO or YouTube-VIS set, read from disk one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mobilevis.data.images import read_image
from mobilevis.data.vipseg import PanopticDataset, load_truth, read_ids
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.samples.config import DataConfig, SetConfig
from mobilevis.training.samples.frames import LazyMasks, SourceFrame
from mobilevis.training.samples.joining import video_weights, with_classes
from mobilevis.training.samples.records import READERS, FrameRecord


class FrameSource:
    """The frames of a data set, as videos; an image is a video of one frame.

    Args:
        classes: the categories by class index, which is the order of their ids.
        videos: the frames' records.
        cache: keep decoded images in memory.
        notes: what was mended or left out while the annotations were read.
        weights: how often each video's frames are drawn, one number a video; None draws all frames alike.
    """

    def __init__(
        self,
        classes: Sequence[Category],
        videos: Sequence[Sequence[FrameRecord]],
        cache: bool = False,
        notes: tuple[str, ...] = (),
        weights: Optional[NDArray[np.float64]] = None,
    ) -> None:
        self.classes = tuple(classes)
        self.notes = notes
        self.weights = weights
        self._videos = videos
        self._cache: Optional[dict[Path, NDArray[np.uint8]]] = {} if cache else None

    @property
    def lengths(self) -> list[int]:
        """Number of frames of each video."""
        return [len(video) for video in self._videos]

    @property
    def stuff_classes(self) -> tuple[int, ...]:
        """Indices of the classes without instances."""
        return ()

    def read(self, video: int, frame: int) -> SourceFrame:
        """Decode a frame and its masks.

        Raises:
            UserError: the image is missing, broken, or of another size than its annotations.
        """
        record = self._videos[video][frame]
        return SourceFrame(
            image=self._image(record),
            masks=LazyMasks([mask for _, _, mask in record.instances], _decode),
            labels=np.array([label for label, _, _ in record.instances], dtype=np.int64),
            identities=np.array([identity for _, identity, _ in record.instances], dtype=np.int64),
            labelled=self._labelled(record),
            crowd=coco_mask.decode(coco_mask.merge(record.crowds)).astype(bool) if record.crowds else None,
        )

    def _labelled(self, record: FrameRecord) -> Optional[NDArray[np.bool_]]:
        if record.labelled is None:
            return None
        return np.array([category.name in record.labelled for category in self.classes])

    def _image(self, record: FrameRecord) -> NDArray[np.uint8]:
        if self._cache is None:
            return read_image(record.file, record.size)
        if record.file not in self._cache:
            self._cache[record.file] = read_image(record.file, record.size)
        return self._cache[record.file]


class PanopticSource(FrameSource):
    """The frames of a panoptic set: things and stuff, whose masks share out the pixels; crowds are void.

    Args:
        dataset: the annotations.
        images: the folder with ``<video>/<frame>.jpg``.
    """

    def __init__(self, dataset: PanopticDataset, images: Path) -> None:
        categories = sorted(dataset.categories.values(), key=lambda category: category.id)
        super().__init__([Category(category.id, category.name) for category in categories], [])
        self._dataset, self._images = dataset, images
        self._indices = {category.id: index for index, category in enumerate(categories)}
        self._stuff = tuple(index for index, category in enumerate(categories) if not category.is_thing)

    @property
    def lengths(self) -> list[int]:
        """Number of frames of each video."""
        return [len(video.frames) for video in self._dataset.videos]

    @property
    def stuff_classes(self) -> tuple[int, ...]:
        """Indices of the classes without instances."""
        return self._stuff

    def read(self, video: int, frame: int) -> SourceFrame:
        """Decode a frame and its panoptic map.

        Raises:
            UserError: the image or the map is missing or broken, or one is not of the other's size.
        """
        found = self._dataset.videos[video]
        record = found.frames[frame]
        ids = read_ids(record.png)
        size = (ids.shape[0], ids.shape[1])
        image = read_image((self._images / found.id / record.name).with_suffix(".jpg"), size)
        segments = {key: value for key, value in record.segments.items() if not value.is_crowd}
        labels = [self._indices[segment.category_id] for segment in segments.values()]
        return SourceFrame(
            image=image,
            masks=LazyMasks(list(segments), lambda identity: ids == identity),
            labels=np.array(labels, dtype=np.int64),
            identities=np.array(list(segments), dtype=np.int64),
        )


def _decode(mask: Mapping[str, Any]) -> NDArray[np.bool_]:
    return np.asarray(coco_mask.decode(mask), dtype=bool)


def open_source(config: DataConfig, strict: bool = False) -> FrameSource:
    """The data set that a configuration names; ``strict`` refuses annotations that would be mended.

    Raises:
        UserError: a file is missing or malformed, or there is nothing to learn from.
    """
    if config.format == "vipseg":
        require_one_set(config)
        return PanopticSource(load_truth(config.annotations), Path(config.images))
    read = READERS[config.format]
    items: list[Union[DataConfig, SetConfig]] = [config, *config.also]
    sets = [read(Path(item.annotations), Path(item.images), strict) for item in items]
    if not sets[0][1]:
        raise UserError("the set has no annotated frames", config.annotations, "check data.annotations")
    classes = sets[0][0]
    joined = [sets[0][1]]
    notes = list(sets[0][2])
    for item, (others, videos, more) in zip(config.also, sets[1:]):
        kept = with_classes(videos, others, classes)
        if not kept:
            raise UserError("the set shows none of the first set's classes", item.annotations, "leave it out")
        joined.append(kept)
        notes.extend(more)
    weights = video_weights(joined, [item.share for item in config.also], config.repeat)
    return FrameSource(
        classes, [video for videos in joined for video in videos], config.cache, tuple(notes), weights
    )


def require_one_set(config: DataConfig) -> None:
    """Refuse ``also`` and ``repeat`` for a format that has neither.

    Raises:
        UserError: they are set.
    """
    if config.also or config.repeat:
        fix = f"leave out data.also and data.repeat for data.format '{config.format}'"
        raise UserError("panoptic sets cannot be joined or drawn from unevenly", config.annotations, fix)
