"""VIPSeg's panoptic format: ground truth and submissions, for VPQ and STQ.

Ground truth is one JSON file with a folder ``panomasksRGB/<video>/<frame>.png`` beside it::

    {"categories": [{"id", "name", "isthing"}],
     "videos": [{"video_id", "images": [{"file_name"}]}],
     "annotations": [{"video_id", "annotations": [{"file_name", "segments_info": [
         {"id", "category_id", "iscrowd", "area"}]}]}]}

A submission is ``pred.json`` with those ``annotations`` and a folder ``pan_pred/<video>/<frame>.png`` beside
it. A PNG is 8-bit RGB and holds id = R + 256 G + 65536 B, 0 for void. PNG and JSON must agree on the ids of
every frame, in both directions.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Optional, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.data.records import Record, read_json, records, top_level, unique_id
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.panoptic import SUBMISSION_FOLDER
from mobilevis.runtime.sources import MAX_PIXELS

VOID = 0
TRUTH_FOLDER = "panomasksRGB"

Ids = NDArray[np.integer]


@dataclass(frozen=True)
class Category:
    """A class of the dataset; things have instances, stuff has none."""

    id: int
    name: str
    is_thing: bool


@dataclass(frozen=True)
class Segment:
    """The record of a segment in one frame; its area in pixels, if the record says it."""

    category_id: int
    area: Optional[int]
    is_crowd: bool


@dataclass(frozen=True)
class PanopticFrame:
    """One frame: its PNG, and its segments by id in the order of their records, not yet checked."""

    name: str
    png: Path
    segments: Mapping[int, Segment]


@dataclass(frozen=True)
class PanopticVideo:
    """A video of the ground truth, or of a submission."""

    id: str
    frames: tuple[PanopticFrame, ...]


@dataclass(frozen=True)
class PanopticDataset:
    """A ground truth."""

    categories: Mapping[int, Category]
    videos: tuple[PanopticVideo, ...]

    def counts(self, submission: Mapping[str, PanopticVideo]) -> dict[str, int]:
        """How much there is to evaluate."""
        return {
            "videos": len(self.videos),
            "frames": sum(len(video.frames) for video in self.videos),
            "annotations": sum(len(f.segments) for video in self.videos for f in video.frames),
            "results": sum(len(f.segments) for video in submission.values() for f in video.frames),
        }


@dataclass(frozen=True)
class Tube:
    """A segment over one frame or many; its area in pixels is counted in the PNGs."""

    category_id: int
    area: int
    is_crowd: bool


Tubes = dict[int, Tube]


@dataclass(frozen=True)
class FramePair:
    """One frame of truth and prediction: the segments and {(true id, predicted id): pixels}."""

    truth: Tubes
    prediction: Tubes
    overlaps: Mapping[tuple[int, int], int]


def joint_histogram(truth: Ids, prediction: Ids) -> dict[tuple[int, int], int]:
    """{(true label, predicted label): number of pixels} of two maps of one shape, labels below 2^31."""
    keys = (truth.astype(np.int64) << 32) | prediction.astype(np.int64)
    pairs, counts = np.unique(keys, return_counts=True)
    return dict(zip(zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist()), counts.tolist()))


def load_truth(path: Union[str, Path]) -> PanopticDataset:
    """Read the panoptic annotations; the PNGs are read with the frames.

    Raises:
        UserError: the file is malformed; the record is named.
    """
    path = Path(path)
    file = top_level(read_json(path), path)
    categories: dict[int, Category] = {}
    for record in records(file.items("categories"), "categories", path):
        identity = unique_id(record, categories)
        if identity < 0:
            raise record.fault("the id is negative")
        categories[identity] = Category(identity, record.text("name"), record.flag("isthing"))
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
    file: Record, names: Mapping[str, Sequence[str]], categories: Mapping[int, Category], folder: str
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


def _load_frame(record: Record, name: str, folder: Path, categories: Mapping[int, Category]) -> PanopticFrame:
    if "file_name" in record.fields and PurePath(record.text("file_name")).stem != PurePath(name).stem:
        raise record.fault(f"file_name {record.text('file_name')} where frame {name} is due")
    segments: dict[int, Segment] = {}
    for segment in records(record.items("segments_info"), f"{record.label}: segments_info", record.file):
        identity = unique_id(segment, segments)
        if not VOID < identity < 1 << 24:
            raise segment.fault("the id is void, or no colour")
        category = segment.reference("category_id", categories)
        area = segment.integer("area") if "area" in segment.fields else None
        segments[identity] = Segment(category.id, area, segment.flag("iscrowd"))
    return PanopticFrame(name, folder / name, segments)


def pair_frames(truth: PanopticVideo, prediction: PanopticVideo) -> list[FramePair]:
    """The frames of a video and of its answer, PNGs read and checked against their records.

    Raises:
        UserError: a PNG is missing, is no 8-bit RGB image, has another size than the truth's, or disagrees
            with its records.
    """
    return [_pair(*frames) for frames in zip(truth.frames, prediction.frames)]


def _pair(truth: PanopticFrame, prediction: PanopticFrame) -> FramePair:
    true_ids, predicted_ids = read_ids(truth.png), read_ids(prediction.png)
    if true_ids.shape != predicted_ids.shape:
        size = "x".join(map(str, true_ids.shape))
        raise UserError(f"the PNG is not {size}, as the truth is", prediction.png, "write it at that size")
    overlaps = joint_histogram(true_ids, predicted_ids)
    true_areas, predicted_areas = Counter[int](), Counter[int]()
    for (true_id, predicted_id), count in overlaps.items():
        true_areas[true_id] += count
        predicted_areas[predicted_id] += count
    for identity, segment in truth.segments.items():
        if segment.area not in (None, true_areas[identity]):
            raise _disagreement(truth, f"segment {identity} has not the area {segment.area} of its record")
    for identity in prediction.segments.keys() - predicted_areas.keys():
        raise _disagreement(prediction, f"segment {identity} is in the JSON and not in the PNG")
    return FramePair(_tubes(truth, true_areas), _tubes(prediction, predicted_areas), overlaps)


def _tubes(frame: PanopticFrame, areas: Counter[int]) -> Tubes:
    for identity in areas.keys() - frame.segments.keys() - {VOID}:
        raise _disagreement(frame, f"segment {identity} is in the PNG and not in the JSON")
    return {
        identity: Tube(segment.category_id, areas[identity], segment.is_crowd)
        for identity, segment in frame.segments.items()
    }


def _disagreement(frame: PanopticFrame, what: str) -> UserError:
    return UserError(what, frame.png, "make PNG and JSON agree")


def read_ids(png: Path) -> NDArray[np.int32]:
    """The segment ids of a panoptic PNG, (H, W).

    Raises:
        UserError: the file is missing, broken, too large, or no 8-bit RGB PNG.
    """
    try:
        data = png.read_bytes()
    except OSError as error:
        raise UserError("the PNG cannot be read", png, "the folder lies beside the JSON file") from error
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        raise UserError("the file is no PNG", png, "write it again")
    width, height = struct.unpack(">II", data[16:24])
    if width * height > MAX_PIXELS:
        raise UserError(f"the PNG has more than {MAX_PIXELS >> 20} megapixels", png, "make it smaller")
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise UserError("the PNG is broken, or not 8-bit RGB", png, "write ids as R + 256 G + 65536 B")
    return image.astype(np.int32) @ np.array([65536, 256, 1], dtype=np.int32)
