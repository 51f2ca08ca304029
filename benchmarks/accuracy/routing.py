"""What temporal-aware query routing does on a data set: TAR's Fig. 5 and Table 5 on our data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mobilevis.benchmarks.accuracy.run import AP_SCORE_THRESHOLD, DatasetFrames, run_accuracy
from mobilevis.data.datasets import VideoDataset
from mobilevis.data.ytvis import load_ytvis
from mobilevis.runtime.artefact import Artefact
from mobilevis.runtime.drivers.tar import layers_kept
from mobilevis.runtime.segmenter import VideoSegmenter


@dataclass(frozen=True)
class RoutedFrame:
    """One frame after a video's first.

    Attributes:
        video: its id.
        change: mean squared difference of RGB in [0, 255] to the frame before (Fig. 5's abscissa).
        layers: decoder layers that ran.
    """

    video: int
    change: float
    layers: int


@dataclass(frozen=True)
class LayerRow:
    """A row of Table 5.

    Attributes:
        fixed_layers: of every frame; None where the routers choose.
        average_precision: YouTube-VIS AP, in [0, 1].
        mean_layers: over all frames but the videos' first, which run every layer.
    """

    fixed_layers: Optional[int]
    average_precision: float
    mean_layers: float


def at_pace(dataset: VideoDataset, step: int) -> VideoDataset:
    """The same videos with every ``step``-th frame, each as long as before while frames last.

    A step of 0 repeats the first frame: a static scene.
    """
    videos, tracks = [], []
    for video in dataset.videos:
        length = len(video.file_names)
        chosen = [0] * length if step == 0 else list(range(0, length, step))
        videos.append(replace(video, file_names=tuple(video.file_names[i] for i in chosen)))
        for track in dataset.tracks_by_video[video.id]:
            masks = tuple(track.segmentations[i] for i in chosen)
            if any(mask is not None for mask in masks):
                areas = tuple(track.areas[i] for i in chosen)
                tracks.append(replace(track, segmentations=masks, areas=areas))
    return VideoDataset(dataset.categories, tuple(videos), tuple(tracks))


def routed_frames(segmenter: VideoSegmenter, gt: Path, images: Path) -> list[RoutedFrame]:
    """Run a routed artefact over the videos of a YouTube-VIS set; a point of Fig. 5 for each frame."""
    points = []
    for video in load_ytvis(gt).videos:
        files = [images / name for name in video.file_names]
        frames = DatasetFrames(f"video {video.id}", files, (video.height, video.width))
        before: Optional[NDArray[np.uint8]] = None
        for frame, result in segmenter.stream(frames):
            if before is not None:
                points.append(RoutedFrame(video.id, _change(before, frame), layers_kept(result)))
            before = frame
    return points


def _change(before: NDArray[np.uint8], frame: NDArray[np.uint8]) -> float:
    return float(np.mean(np.square(frame.astype(np.float64) - before)))


def rank_correlation(points: Sequence[RoutedFrame]) -> float:
    """Spearman's ρ of change and layers: positive where frames that changed more keep more layers.

    Not a number where every frame keeps the same layers.
    """
    return float(spearmanr([p.change for p in points], [p.layers for p in points]).statistic)


def layer_table(
    artefact: Artefact, gt: Path, images: Path, results: Path, fixed: Sequence[int], **options: Any
) -> list[LayerRow]:
    """Table 5: the AP with each fixed number of layers, and as the routers choose.

    Args:
        artefact: a routed one.
        gt: YouTube-VIS annotations.
        images: the folder that they name files in.
        results: file for the results; each row replaces the last one's.
        fixed: numbers of layers.
        options: of the driver.
    """
    rows = []
    for count in (*fixed, None):
        settings = {"score_threshold": AP_SCORE_THRESHOLD, **options, "fixed_layers": count}
        segmenter = VideoSegmenter(artefact, **settings)
        ap = run_accuracy(segmenter, "ytvis", gt, results, images).metrics["AP"]
        layers = [point.layers for point in routed_frames(segmenter, gt, images)]
        rows.append(LayerRow(count, float(ap), fmean(layers)))
    return rows
