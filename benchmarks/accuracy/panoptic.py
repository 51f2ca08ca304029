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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.benchmarks.accuracy.records import field, malformed, plain_name, read_object
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.sources import MAX_PIXELS

VOID = 0
TRUTH_FOLDER = "panomasksRGB"
SUBMISSION_FOLDER = "pan_pred"

Overlaps = Mapping[tuple[int, int], int]
Ids = NDArray[np.integer]


@dataclass(frozen=True)
class Segment:
    """One segment in one frame, or a tube of them; its area in pixels."""

    category_id: int
    area: int
    is_crowd: bool = False


Segments = dict[int, Segment]


@dataclass(frozen=True)
class Category:
    """A class of the dataset; things have instances, stuff has none."""

    id: int
    name: str
    is_thing: bool


@dataclass(frozen=True)
class PanopticFrame:
    """One frame: its PNG, and the records of its segments by id, not yet checked against the PNG."""

    png: Path
    records: Mapping[int, Mapping[str, Any]]


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
            "annotations": sum(len(f.records) for video in self.videos for f in video.frames),
            "results": sum(len(f.records) for video in submission.values() for f in video.frames),
        }


@dataclass(frozen=True)
class FramePair:
    """One frame of truth and prediction: the segments and {(true id, predicted id): pixels}."""

    truth: Segments
    prediction: Segments
    overlaps: Overlaps


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
    document = read_object(path)
    categories: dict[int, Category] = {}
    for index, record in enumerate(field(document, "categories", list, "the file", path)):
        where = f"category record {index}"
        category_id = field(record, "id", int, where, path)
        if category_id < 0 or category_id in categories:
            raise malformed(f"{where}: id {category_id} is negative or repeats", path)
        is_thing = field(record, "isthing", int, where, path) == 1
        categories[category_id] = Category(category_id, field(record, "name", str, where, path), is_thing)
    names = {}
    for index, record in enumerate(field(document, "videos", list, "the file", path)):
        video = plain_name(record, "video_id", f"video record {index}", path)
        if video in names:
            raise malformed(f"video {video} is listed twice", path)
        images = field(record, "images", list, f"video {video}", path)
        names[video] = [
            plain_name(image, "file_name", f"an image of video {video}", path) for image in images
        ]
    if not names or not categories:
        raise malformed("there is no video, or no category", path)
    videos = _load_videos(document, names, categories, path, TRUTH_FOLDER)
    return PanopticDataset(categories, tuple(videos[video] for video in names))


def load_submission(path: Union[str, Path], dataset: PanopticDataset) -> dict[str, PanopticVideo]:
    """Read ``pred.json``; every video of the dataset must be there, with a record for each frame, in order.

    Raises:
        UserError: the file is malformed, or answers other videos, frames or categories; the record is named.
    """
    names = {video.id: [frame.png.name for frame in video.frames] for video in dataset.videos}
    path = Path(path)
    return _load_videos(read_object(path), names, dataset.categories, path, SUBMISSION_FOLDER)


def pair_frames(
    dataset: PanopticDataset, submission: Mapping[str, PanopticVideo]
) -> Iterator[tuple[str, list[FramePair]]]:
    """Yield each video's id with its frames, PNGs read and checked against their records.

    Raises:
        UserError: a PNG is missing, is no 8-bit RGB image, has another size than the truth's, or disagrees
            with its records.
    """
    for video in dataset.videos:
        answer = submission[video.id]
        yield video.id, [_pair(*frames) for frames in zip(video.frames, answer.frames)]


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
    for segment_id, record in truth.records.items():
        if record.get("area", true_areas[segment_id]) != true_areas[segment_id]:
            raise UserError(
                f"segment {segment_id} has {true_areas[segment_id]} pixels, its record says {record['area']}",
                truth.png,
                "make PNG and JSON agree",
            )
    for segment_id in prediction.records.keys() - predicted_areas.keys():
        raise UserError(
            f"segment {segment_id} is in the JSON and not in the PNG", prediction.png, "make them agree"
        )
    return FramePair(_segments(truth, true_areas), _segments(prediction, predicted_areas), overlaps)


def _segments(frame: PanopticFrame, areas: Counter[int]) -> Segments:
    for segment_id in areas.keys() - frame.records.keys() - {VOID}:
        raise UserError(
            f"segment {segment_id} is in the PNG and not in the JSON", frame.png, "make them agree"
        )
    return {
        segment_id: Segment(record["category_id"], areas[segment_id], record.get("iscrowd") == 1)
        for segment_id, record in frame.records.items()
    }


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


def _load_videos(
    document: Mapping[str, Any],
    names: Mapping[str, Sequence[str]],
    categories: Mapping[int, Category],
    path: Path,
    folder: str,
) -> dict[str, PanopticVideo]:
    videos: dict[str, PanopticVideo] = {}
    for index, record in enumerate(field(document, "annotations", list, "the file", path)):
        video = field(record, "video_id", str, f"annotation record {index}", path)
        if video not in names or video in videos:
            raise malformed(f"annotation record {index}: video {video} is unknown or repeats", path)
        frames = field(record, "annotations", list, f"video {video}", path)
        if len(frames) != len(names[video]):
            raise malformed(f"video {video} has {len(frames)} records for {len(names[video])} frames", path)
        videos[video] = PanopticVideo(
            video,
            tuple(
                _load_frame(frame, path.parent / folder / video / name, categories, path)
                for frame, name in zip(frames, names[video])
            ),
        )
    missing = sorted(names.keys() - videos.keys())
    if missing:
        raise malformed(f"there is no annotation for video {missing[0]}", path)
    return videos


def _load_frame(record: Any, png: Path, categories: Mapping[int, Category], path: Path) -> PanopticFrame:
    where = f"video {png.parent.name}, frame {png.name}"
    segments: dict[int, Mapping[str, Any]] = {}
    for segment in field(record, "segments_info", list, where, path):
        segment_id = field(segment, "id", int, where, path)
        if not VOID < segment_id < 1 << 24 or segment_id in segments:
            raise malformed(f"{where}: segment id {segment_id} is no colour, or repeats", path)
        if field(segment, "category_id", int, f"{where}, segment {segment_id}", path) not in categories:
            raise malformed(
                f"{where}, segment {segment_id}: unknown category_id {segment['category_id']}", path
            )
        segments[segment_id] = segment
    named = record.get("file_name", png.name)
    if not isinstance(named, str) or PurePosixPath(named).stem != png.stem:
        raise malformed(f"{where}: the record is of frame {named}", path)
    return PanopticFrame(png, segments)
