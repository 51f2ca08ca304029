"""Annotated frames of a COCO, YOLO or YouTube-VIS set, read from disk one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mobilevis.data.images import read_image
from mobilevis.data.vipseg import PanopticDataset, load_truth, read_ids
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.samples.config import DataConfig
from mobilevis.training.samples.records import READERS, FrameRecord, Videos


@dataclass(frozen=True)
class SourceFrame:
    """A frame as it is on disk.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        masks: M masks, (H, W) bool.
        labels: (M,) int64, class indices from 0.
        identities: (M,) int64, the same for an object in every frame of its video.
        labelled: (C,) bool, the classes of which every instance is annotated; None for all.
        crowd: (H, W) bool, where instances are that were not told apart; None for nowhere.
    """

    image: NDArray[np.uint8]
    masks: list[NDArray[np.bool_]]
    labels: NDArray[np.int64]
    identities: NDArray[np.int64]
    labelled: Optional[NDArray[np.bool_]] = None
    crowd: Optional[NDArray[np.bool_]] = None


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
            masks=[coco_mask.decode(mask).astype(bool) for _, _, mask in record.instances],
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
            masks=[ids == identity for identity in segments],
            labels=np.array(labels, dtype=np.int64),
            identities=np.array(list(segments), dtype=np.int64),
        )


def open_source(config: DataConfig, strict: bool = False) -> FrameSource:
    """The data set that a configuration names; ``strict`` refuses annotations that would be mended.

    Raises:
        UserError: a file is missing or malformed, or there is nothing to learn from.
    """
    if config.format == "vipseg":
        require_one_set(config)
        return PanopticSource(load_truth(config.annotations), Path(config.images))
    read = READERS[config.format]
    sets = [read(Path(item.annotations), Path(item.images), strict) for item in (config, *config.also)]
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


def with_classes(
    videos: Videos, own: Sequence[Category], wanted: Sequence[Category]
) -> list[list[FrameRecord]]:
    """Videos of a set with ``own`` classes as frames of the ``wanted`` ones, which have the same names.

    Instances of other classes are left out, and so are videos that show nothing else. Wanted classes that the
    set has not are not labelled in it.
    """
    index = {category.name: place for place, category in enumerate(wanted)}
    names = tuple(category.name for category in own)
    lacking = not index.keys() <= set(names)
    found = []
    for video in videos:
        frames = [
            replace(
                frame,
                instances=tuple(
                    (index[own[label].name], identity, mask)
                    for label, identity, mask in frame.instances
                    if own[label].name in index
                ),
                labelled=names if lacking and frame.labelled is None else frame.labelled,
            )
            for frame in video
        ]
        if any(frame.instances for frame in frames):
            found.append(frames)
    return found


def video_weights(
    sets: Sequence[Videos], shares: Sequence[float], repeat: float
) -> Optional[NDArray[np.float64]]:
    """How often each video's frames are drawn, all sets' videos in turn; None where all are drawn alike.

    Args:
        sets: the videos of each set.
        shares: of all sets but the first, which has the rest.
        repeat: threshold of repeat-factor sampling within each set; 0 is off.
    """
    if not shares and not repeat:
        return None
    parts = []
    for videos, share in zip(sets, [1.0 - sum(shares), *shares]):
        weights = repeat_factors(videos, repeat)
        drawn = float((weights * [len(video) for video in videos]).sum())
        parts.append(weights * (share / drawn))
    return np.concatenate(parts)


def repeat_factors(videos: Videos, threshold: float) -> NDArray[np.float64]:
    """max(1, √(threshold / f)) of each video's rarest class, f the part of the videos that show it."""
    shown = [{label for frame in video for label, _, _ in frame.instances} for video in videos]
    counts = Counter(label for labels in shown for label in labels)
    factor = {label: max(1.0, (threshold * len(videos) / count) ** 0.5) for label, count in counts.items()}
    return np.array([max((factor[label] for label in labels), default=1.0) for labels in shown])
