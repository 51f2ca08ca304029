"""The images of a data set that is evaluated, of the sizes that their annotations were made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Optional, TypeVar

from mobilevis.data.coco import load_coco
from mobilevis.data.datasets import Image as ImageRecord
from mobilevis.data.datasets import Video
from mobilevis.data.images import image_folder, read_image
from mobilevis.data.vipseg import PanopticVideo, load_truth, read_ids
from mobilevis.data.ytvis import load_ytvis
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import file_exists
from mobilevis.runtime.sources import STILL_FPS, Source

T = TypeVar("T")


class DatasetFrames(Source):
    """Frames of a data set, which must have the size that their annotations were made for."""

    def __init__(self, name: str, files: Sequence[Path], size: Optional[tuple[int, int]]) -> None:
        self.name, self.fps, self.frame_count = name, STILL_FPS, len(files)
        self.files, self._size = files, size

    def __iter__(self) -> Iterator[Image]:
        """Yield the frames; a broken one is an error, since an evaluation of a part is none."""
        for file in self.files:
            yield read_image(file, self._size)


@dataclass(frozen=True)
class MeasuredSet(Generic[T]):
    """A data set whose categories are those of the artefact.

    Attributes:
        videos: each video, or each image as a video of one frame, with its frames.
        objects: how many there are to find.
    """

    videos: Sequence[tuple[T, DatasetFrames]]
    objects: int

    def require_files(self) -> None:
        """Refuse a set that lacks an image, before the first one is read.

        Raises:
            UserError: names the image.
        """
        for _, frames in self.videos:
            for file in frames.files:
                if not file_exists(file):
                    raise UserError("the image is missing", file, "check the folder of images")


def open_coco(
    gt: Path, images: Optional[Path], classes: Iterable[Category], strict: bool = False
) -> MeasuredSet[ImageRecord]:
    """A set of stills.

    Args:
        gt: COCO annotations.
        images: folder of the images; None looks where the published layouts have it.
        classes: the artefact's.
        strict: refuse annotations that would be mended.

    Raises:
        UserError: the file is malformed, its categories are not the artefact's, or None finds no folder.
    """
    dataset = load_coco(gt, strict=strict)
    check_classes(classes, _names(dataset.categories), gt)
    folder = images or image_folder(gt, next((image.file_name for image in dataset.images), ""))
    stills = [
        (image, DatasetFrames(image.file_name, [folder / image.file_name], (image.height, image.width)))
        for image in dataset.images
    ]
    return MeasuredSet(stills, len(dataset.annotations))


def open_ytvis(
    gt: Path, images: Optional[Path], classes: Iterable[Category], strict: bool = False
) -> MeasuredSet[Video]:
    """A set of videos with tracks; see ``open_coco``."""
    dataset = load_ytvis(gt, strict=strict)
    check_classes(classes, _names(dataset.categories), gt)
    folder = images or image_folder(gt, next((video.file_names[0] for video in dataset.videos), ""))
    videos = [
        (v, DatasetFrames(f"video {v.id}", [folder / name for name in v.file_names], (v.height, v.width)))
        for v in dataset.videos
    ]
    return MeasuredSet(videos, len(dataset.tracks))


def open_vipseg(
    gt: Path, images: Optional[Path], classes: Iterable[Category], strict: bool = False
) -> MeasuredSet[PanopticVideo]:
    """A set of panoptic videos, whose frames are ``images/<video>/<frame>.jpg``; see ``open_coco``.

    Nothing of this format is mended, so that ``strict`` changes nothing.
    """
    dataset = load_truth(gt)
    check_classes(classes, _names(dataset.categories.values()), gt)
    videos = []
    for video in dataset.videos:
        folder = (images or gt.parent / "images") / video.id
        files = [(folder / frame.name).with_suffix(".jpg") for frame in video.frames]
        height, width = read_ids(video.frames[0].png).shape
        videos.append((video, DatasetFrames(video.id, files, (height, width))))
    return MeasuredSet(videos, dataset.counts({})["annotations"])


def check_classes(classes: Iterable[Category], categories: Mapping[int, str], gt: Path) -> None:
    """Refuse annotations whose categories are not those of the artefact.

    Args:
        classes: the artefact's.
        categories: id → name of the annotations' categories.
        gt: the annotations, for the error message.

    Raises:
        UserError: the two disagree; the first such class is named.
    """
    for info in classes:
        name = categories.get(info.id)
        if name != info.name:
            other = "has no such category" if name is None else f"calls category {info.id} {name}"
            raise UserError(
                f"the model's class {info.id} is {info.name}; the data set {other}",
                gt,
                "give a model and a data set with the same classes",
            )


def _names(categories: Iterable[Category]) -> dict[int, str]:
    return {category.id: category.name for category in categories}
