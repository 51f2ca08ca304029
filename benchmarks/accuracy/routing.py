"""What temporal-aware query routing does on a data set: TAR's Fig. 5 and Table 5 on our data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any, Optional, Union

import numpy as np
from scipy.stats import spearmanr

from mobilevis.benchmarks.accuracy.evaluate import file_facts
from mobilevis.benchmarks.accuracy.metrics import AP_SCORE_THRESHOLD
from mobilevis.benchmarks.accuracy.result import ProgressBar
from mobilevis.benchmarks.accuracy.run import run_accuracy
from mobilevis.data.datasets import VideoDataset
from mobilevis.data.images import image_folder
from mobilevis.data.ytvis import load_ytvis, save_ytvis
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.drivers.tar import layers_kept
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import Metadata
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import Source
from mobilevis.runtime.versions import tool_versions

# How videos are shown: every so many-th frame, 0 for the first one again and again, or ``MIXED``.
Pace = Union[int, str]
MIXED = "mixed"

RECORD_KIND, RECORD_SCHEMA = "mobilevis.routing", 1
GROUPS = 10  # of the record's frames, by how much they changed


@dataclass(frozen=True)
class RoutedFrame:
    """One frame after a video's first.

    Attributes:
        change: mean squared difference of RGB in [0, 255] to the frame before (Fig. 5's abscissa).
        layers: decoder layers that ran.
    """

    change: float
    layers: int


@dataclass(frozen=True)
class LayerRow:
    """A row of Table 5.

    Attributes:
        pace: see ``shown_frames``.
        fixed_layers: of every frame; None where the routers choose, or there are none.
        average_precision: YouTube-VIS AP, in [0, 1].
        frames: all but the videos' first, in which the routers have nothing to compare with.
        against: which other model this is; empty for the routed one.
    """

    pace: Pace
    fixed_layers: Optional[int]
    average_precision: float
    frames: tuple[RoutedFrame, ...]
    against: str = ""

    @property
    def is_routed(self) -> bool:
        """Whether routers chose the layers."""
        return self.fixed_layers is None and not self.against

    @property
    def mean_layers(self) -> float:
        """Decoder layers of a frame; not a number where no video has a second frame."""
        return fmean(frame.layers for frame in self.frames) if self.frames else math.nan


@dataclass(frozen=True)
class PacedSet:
    """Videos at another pace.

    Attributes:
        pace: see ``shown_frames``.
        annotations: in YouTube-VIS format, in a folder for temporary files.
        images: the folder that they name files in.
    """

    pace: Pace
    annotations: Path
    images: Path


class RoutingRecorder:
    """Streams through a segmenter, and notes the change and the layers of every frame but a video's first."""

    def __init__(self, segmenter: VideoSegmenter) -> None:
        self._segmenter = segmenter
        self.frames: list[RoutedFrame] = []

    @property
    def metadata(self) -> Metadata:
        """The artefact's."""
        return self._segmenter.metadata

    def stream(self, source: Union[str, Path, int, Source]) -> Iterator[tuple[Image, FrameResult]]:
        """See ``VideoSegmenter``."""
        before: Optional[Image] = None
        for frame, result in self._segmenter.stream(source):
            if before is not None:
                change = float(np.mean(np.square(frame.astype(np.float64) - before)))
                self.frames.append(RoutedFrame(change, layers_kept(result)))
            before = frame
            yield frame, result


def shown_frames(length: int, pace: Pace) -> list[int]:
    """Which frames of a video are shown, at most as many as it has.

    Args:
        length: frames of the video.
        pace: 1 for all, 2 for every second one …; 0 for the first one again and again, a static scene;
            ``MIXED`` for a scene that stands still and moves in turn, a quarter of the video each.

    Raises:
        ValueError: there is no such pace.
    """
    if pace == MIXED:
        quarter = max(1, length // 4)
        return list(accumulate((index // quarter) % 2 for index in range(length)))
    if not isinstance(pace, int) or pace < 0:
        raise ValueError(f"unknown pace '{pace}'; give a number from 0 on, or {MIXED}")
    return [0] * length if pace == 0 else list(range(0, length, pace))


def parse_pace(text: str) -> Pace:
    """A pace as the command line has it.

    Raises:
        UserError: there is no such pace.
    """
    pace: Pace = int(text) if text.isascii() and text.isdigit() else text
    try:
        shown_frames(1, pace)
    except ValueError as error:
        raise UserError(str(error), fix="correct --pace") from error
    return pace


def at_pace(dataset: VideoDataset, pace: Pace) -> VideoDataset:
    """The same videos with other frames; see ``shown_frames``."""
    videos, tracks = [], []
    for video in dataset.videos:
        chosen = shown_frames(len(video.file_names), pace)
        videos.append(replace(video, file_names=tuple(video.file_names[i] for i in chosen)))
        for track in dataset.tracks_by_video[video.id]:
            masks = tuple(track.segmentations[i] for i in chosen)
            if any(mask is not None for mask in masks):
                areas = tuple(track.areas[i] for i in chosen)
                tracks.append(replace(track, segmentations=masks, areas=areas))
    return VideoDataset(dataset.categories, tuple(videos), tuple(tracks))


def paced_set(gt: Path, pace: Pace, folder: Path, images: Optional[Path] = None) -> PacedSet:
    """Write the annotations of a YouTube-VIS set at another pace.

    Args:
        gt: the annotations.
        pace: see ``shown_frames``.
        folder: to write into, the results too.
        images: folder that the annotations name files in; None looks where the published layouts have it.

    Raises:
        UserError: the annotations are malformed.
    """
    dataset = load_ytvis(gt)
    paced = folder / f"pace_{pace}.json"
    save_ytvis(at_pace(dataset, pace), paced)
    first = dataset.videos[0].file_names[0] if dataset.videos else ""
    return PacedSet(pace, paced, images or image_folder(gt, first))


def layer_row(
    artefact: Artefact,
    videos: PacedSet,
    fixed_layers: Optional[int],
    progress: ProgressBar = iter,
    **options: Any,
) -> LayerRow:
    """The AP with a fixed number of layers, or as the routers choose.

    Args:
        artefact: a routed one.
        videos: to run.
        fixed_layers: of every frame; None routes.
        progress: wraps the loops over videos.
        options: of the driver.

    Raises:
        UserError: the artefact has no routers, or fewer layers, or the data set cannot be used.
    """
    average_precision, frames = _run(artefact, videos, progress, fixed_layers=fixed_layers, **options)
    return LayerRow(videos.pace, fixed_layers, average_precision, frames)


def against_row(artefact: Artefact, videos: PacedSet, name: str, progress: ProgressBar = iter) -> LayerRow:
    """The AP of another model, such as the one that the routed one came from; see ``layer_row``.

    Args:
        artefact: of the other model.
        videos: to run.
        name: of the row.
        progress: wraps the loops over videos.
    """
    average_precision, _ = _run(artefact, videos, progress)
    return LayerRow(videos.pace, None, average_precision, (), name)


def _run(
    artefact: Artefact, videos: PacedSet, progress: ProgressBar, **options: Any
) -> tuple[float, tuple[RoutedFrame, ...]]:
    """The AP, in [0, 1], and the frames after a video's first."""
    settings = {"score_threshold": AP_SCORE_THRESHOLD, **options}
    recorder = RoutingRecorder(VideoSegmenter(artefact, **settings))
    results = videos.annotations.with_name("results.json")
    result = run_accuracy(recorder, "ytvis", videos.annotations, results, videos.images, progress)
    return float(result.metrics["AP"]), tuple(recorder.frames)


def rank_correlation(frames: Sequence[RoutedFrame]) -> Optional[float]:
    """Spearman's ρ of change and layers: positive where frames that changed more keep more layers.

    None where every frame keeps the same layers, or changes alike.
    """
    change, layers = [frame.change for frame in frames], [frame.layers for frame in frames]
    if len(set(change)) < 2 or len(set(layers)) < 2:
        return None
    return float(spearmanr(change, layers).statistic)


def by_change(frames: Sequence[RoutedFrame], groups: int = GROUPS) -> list[dict[str, float]]:
    """Fig. 5's curve: frames in order of their change, in groups of one size, with the means of each."""
    ordered = sorted(frames, key=lambda frame: frame.change)
    bounds = [round(i * len(ordered) / groups) for i in range(groups + 1)]
    parts = [ordered[start:stop] for start, stop in zip(bounds, bounds[1:]) if stop > start]
    return [
        {
            "frames": len(part),
            "change": fmean(frame.change for frame in part),
            "layers": fmean(frame.layers for frame in part),
        }
        for part in parts
    ]


def routing_record(rows: Sequence[LayerRow], gt: Path, **more: Any) -> dict[str, Any]:
    """The measurement as a JSON object: Table 5's rows, and Fig. 5's relation in routed frames that moved."""
    routed = [frame for row in rows if row.is_routed and row.pace for frame in row.frames]
    return {
        "kind": RECORD_KIND,
        "schema": RECORD_SCHEMA,
        "rows": [
            {
                "pace": row.pace,
                "fixed_layers": row.fixed_layers,
                **({"against": row.against} if row.against else {}),
                "AP": row.average_precision,
                "mean_layers": row.mean_layers if row.frames else None,
            }
            for row in rows
        ],
        "relation": {"rank_correlation": rank_correlation(routed), "by_change": by_change(routed)},
        "dataset": file_facts(gt),
        "tools": tool_versions(["mobilevis", "numpy", "scipy"]),
        **more,
    }
