"""VIPSeg's panoptic format: ground truth and submissions.

Ground truth is one JSON file with a folder ``panomasksRGB/<video>/<frame>.png`` beside it::

    {"categories": [{"id", "name", "isthing"}],
     "videos": [{"video_id", "images": [{"file_name"}]}],
     "annotations": [{"video_id", "annotations": [{"file_name", "segments_info": [
         {"id", "category_id", "iscrowd", "area"}]}]}]}

A submission is ``pred.json`` with those ``annotations`` and a folder ``pan_pred/<video>/<frame>.png`` beside
it. A PNG is 8-bit RGB and holds id = R + 256 G + 65536 B, 0 for void.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Optional, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.data.records import Record, read_json, records, top_level, unique_id
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.images import MAX_FILE_BYTES, PNG_SIGNATURE, decode
from mobilevis.runtime.reading import read_bounded
from mobilevis.runtime.vipseg import SUBMISSION_FOLDER

VOID = 0
TRUTH_FOLDER = "panomasksRGB"


@dataclass(frozen=True)
class PanopticCategory(Category):
    """A class of the dataset; things have instances, stuff has none."""

    is_thing: bool


@dataclass(frozen=True)
class SegmentRecord:
    """The record of a segment in one frame; its area in pixels, if the record says it."""

    category_id: int
    area: Optional[int]
    is_crowd: bool


@dataclass(frozen=True)
class PanopticFrame:
    """One frame: its PNG, and its segments by id in the order of their records, not yet checked."""

    name: str
    png: Path
    segments: Mapping[int, SegmentRecord]


@dataclass(frozen=True)
class PanopticVideo:
    """A video of the ground truth, or of a submission."""

    id: str
    frames: tuple[PanopticFrame, ...]


@dataclass(frozen=True)
class PanopticDataset:
    """A ground truth."""

    categories: Mapping[int, PanopticCategory]
    videos: tuple[PanopticVideo, ...]

    def counts(self, submission: Mapping[str, PanopticVideo]) -> dict[str, int]:
        """How much there is to evaluate."""
        return {
            "videos": len(self.videos),
            "frames": sum(len(video.frames) for video in self.videos),
            "annotations": sum(len(f.segments) for video in self.videos for f in video.frames),
            "results": sum(len(f.segments) for video in submission.values() for f in video.frames),
        }


def load_truth(path: Union[str, Path]) -> PanopticDataset:
    """Read the panoptic annotations; the PNGs are read with the frames.

    Raises:
        UserError: the file is malformed; the record is named.
    """
    path = Path(path)
    file = top_level(read_json(path), path)
    categories: dict[int, PanopticCategory] = {}
    for record in records(file.items("categories"), "categories", path):
        identity = unique_id(record, categories)
        if identity < 0:
            raise record.fault("the id is negative")
        categories[identity] = PanopticCategory(identity, record.text("name"), record.flag("isthing"))
    names: dict[str, list[str]] = {}
    for record in records(file.items("videos"), "videos", path):
        video = record.path(record.text("video_id"))
        if video in names:
            raise record.fault(f"video_id {video} was used before")
        images = records(record.items("images"), f"video {video}: images", path)
        names[video] = [image.path(image.text("file_name")) for image in images]
    if not names or not categories:
        raise file.fault("there is no video, or no category")
    videos = _load_videos(file, names, categories, TRUTH_FOLDER)
    return PanopticDataset(categories, tuple(videos[video] for video in names))


def load_submission(path: Union[str, Path], dataset: PanopticDataset) -> dict[str, PanopticVideo]:
    """Read ``pred.json``; every video of the dataset must be there, with a record for each frame, in order.

    Raises:
        UserError: the file is malformed, or answers other videos, frames or categories; the record is named.
    """
    path = Path(path)
    names = {video.id: [frame.name for frame in video.frames] for video in dataset.videos}
    return _load_videos(top_level(read_json(path), path), names, dataset.categories, SUBMISSION_FOLDER)


def _load_videos(
    file: Record, names: Mapping[str, Sequence[str]], categories: Mapping[int, PanopticCategory], folder: str
) -> dict[str, PanopticVideo]:
    videos: dict[str, PanopticVideo] = {}
    for record in records(file.items("annotations"), "annotations", file.file):
        video = record.text("video_id")
        if video not in names or video in videos:
            raise record.fault(f"video_id {video} is unknown, or was used before")
        frames = records(
            record.items("annotations", len(names[video])), f"video {video}: annotations", file.file
        )
        place = file.file.parent / folder / video
        videos[video] = PanopticVideo(
            video,
            tuple(_load_frame(frame, name, place, categories) for frame, name in zip(frames, names[video])),
        )
    for video in names.keys() - videos.keys():
        raise file.fault(f"there is no annotation of video {video}")
    return videos


def _load_frame(
    record: Record, name: str, folder: Path, categories: Mapping[int, PanopticCategory]
) -> PanopticFrame:
    if "file_name" in record.fields and PurePath(record.text("file_name")).stem != PurePath(name).stem:
        raise record.fault(f"file_name {record.text('file_name')} where frame {name} is due")
    segments: dict[int, SegmentRecord] = {}
    for segment in records(record.items("segments_info"), f"{record.label}: segments_info", record.file):
        identity = unique_id(segment, segments)
        if not VOID < identity < 1 << 24:
            raise segment.fault("the id is void, or no colour")
        category = segment.reference("category_id", categories)
        area = segment.integer("area") if "area" in segment.fields else None
        segments[identity] = SegmentRecord(category.id, area, segment.flag("iscrowd"))
    return PanopticFrame(name, folder / name, segments)


def read_ids(png: Path) -> NDArray[np.int32]:
    """The segment ids of a panoptic PNG, (H, W).

    Raises:
        UserError: the file is missing, broken, too large, or no 8-bit RGB PNG.
    """
    data = read_bounded(png, MAX_FILE_BYTES, "the folder lies beside the JSON file")
    if not data.startswith(PNG_SIGNATURE):
        raise UserError("the file is no PNG", png, "write it again")
    image = decode(data, cv2.IMREAD_UNCHANGED, png)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise UserError("the PNG is not 8-bit RGB", png, "write ids as R + 256 G + 65536 B")
    return image.astype(np.int32) @ np.array([65536, 256, 1], dtype=np.int32)
