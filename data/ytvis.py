"""YouTube-VIS 2019 and 2021 and OVIS, which share one format: annotation files and results files.

The format is COCO's with ``videos`` for images and one segmentation or null for every frame of a track
(https://github.com/youtubevos/cocoapi).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional, Union

from mobilevis.data.annotations import ItemFormat
from mobilevis.data.datasets import Track, Video, VideoDataset, VideoResult
from mobilevis.data.records import Record, write_json
from mobilevis.data.segmentations import bounding_box, read_segmentation
from mobilevis.runtime import rle
from mobilevis.runtime.rle import Rle


def load_ytvis(
    path: Union[str, Path], frames: Optional[Union[str, Path]] = None, strict: bool = False
) -> VideoDataset:
    """Read an annotation file.

    Args:
        path: such as ``instances.json``; without ``annotations`` it is a test split.
        frames: the folder ``JPEGImages``; if given, every frame must lie there.
        strict: refuse what ``load_coco`` mends otherwise.

    Raises:
        UserError: the file or a record of it is malformed; the record is named.
    """
    return VideoDataset(*FORMAT.load(Path(path), None if frames is None else Path(frames), strict))


def _video(record: Record, identity: int) -> Video:
    names = tuple(record.path(name) for name in record.items("file_names"))
    if "length" in record.fields and record.integer("length") != len(names):
        raise record.fault(f"length {record.integer('length')} with {len(names)} file names")
    try:
        return Video(identity, record.integer("height"), record.integer("width"), names)
    except ValueError as error:
        raise record.fault(str(error)) from error


def _track(record: Record, identity: int, video: Video, category_id: int) -> Track:
    masks = _segmentations(record, video)
    areas = _areas(record, masks)
    return Track(identity, video.id, category_id, masks, areas, record.flag("iscrowd"))


def _segmentations(record: Record, video: Video) -> tuple[Optional[Rle], ...]:
    size = (video.height, video.width)
    return tuple(
        None if raw is None else read_segmentation(raw, size, record, f"segmentations[{frame}]")
        for frame, raw in enumerate(record.items("segmentations", video.length))
    )


def _areas(record: Record, masks: tuple[Optional[Rle], ...]) -> tuple[Optional[float], ...]:
    if record.fields.get("areas") is None:
        return tuple(None if mask is None else float(rle.area(mask)) for mask in masks)
    return tuple(
        None if area is None else record.check_number(area, f"areas[{frame}]")
        for frame, area in enumerate(record.items("areas", len(masks)))
    )


FORMAT = ItemFormat("videos", _video, _track, lambda video: video.file_names)


def save_ytvis(dataset: VideoDataset, path: Union[str, Path]) -> None:
    """Write an annotation file; segmentations are compressed RLE."""
    content: dict[str, Any] = {
        "categories": [{"id": c.id, "name": c.name} for c in dataset.categories],
        "videos": [
            {
                "id": v.id,
                "height": v.height,
                "width": v.width,
                "length": v.length,
                "file_names": list(v.file_names),
            }
            for v in dataset.videos
        ],
        "annotations": [
            {
                "id": t.id,
                "video_id": t.video_id,
                "category_id": t.category_id,
                "segmentations": list(t.segmentations),
                "areas": list(t.areas),
                "bboxes": [None if s is None else list(bounding_box(s)) for s in t.segmentations],
                "iscrowd": int(t.iscrowd),
            }
            for t in dataset.tracks
        ],
    }
    write_json(path, content)


def load_ytvis_results(path: Union[str, Path], dataset: VideoDataset) -> list[VideoResult]:
    """Read a results file: a list of ``{video_id, category_id, score, segmentations}``.

    The reference evaluator zips a list that is shorter than the video, which scores a one-frame answer as a
    perfect one; here it is refused.

    Raises:
        UserError: the file or a record of it is malformed, or names what the data set lacks.
    """
    results = []
    for record, video, category in FORMAT.results(Path(path), dataset.video_by_id, dataset.category_by_id):
        masks = _segmentations(record, video)
        results.append(VideoResult(video.id, category.id, record.number("score"), masks))
    return results


def save_ytvis_results(results: Iterable[VideoResult], path: Union[str, Path]) -> None:
    """Write a results file, as the benchmark's server takes it: ``results.json``."""
    content = [
        {
            "video_id": result.video_id,
            "category_id": result.category_id,
            "score": result.score,
            "segmentations": list(result.segmentations),
        }
        for result in results
    ]
    write_json(path, content)
