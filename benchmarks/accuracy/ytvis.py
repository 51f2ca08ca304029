"""YouTube-VIS AP: COCO's AP over tubes, with that benchmark's area ranges.

The rules are those of ``ytvoseval.py`` in youtubevos/cocoapi: IoU of a tube is Σ intersection / Σ union over
the frames, also against a crowd; the area of a tube is the mean over the frames in which it has one, as the
annotation's ``areas`` say; small is up to 128² pixels, large from 256².
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mobilevis.benchmarks.accuracy.average_precision import (
    Candidates,
    Matches,
    average_precision_result,
    match,
    precision_recall,
)
from mobilevis.benchmarks.accuracy.result import AccuracyResult, ProgressBar
from mobilevis.benchmarks.accuracy.tubes import make_tube, mean_area, tube_iou
from mobilevis.data.datasets import Track, VideoResult
from mobilevis.data.ytvis import load_ytvis, load_ytvis_results

AREA_RANGES = np.array([(0, 1e5**2), (0, 128**2), (128**2, 256**2), (256**2, 1e5**2)])


def evaluate_ytvis(
    gt: Path, results: Path, progress: ProgressBar = iter, strict: bool = False
) -> AccuracyResult:
    """AP and AR of a YouTube-VIS or OVIS results file.

    Args:
        gt: the annotations.
        results: ``results.json``.
        progress: wraps the loop over the videos.
        strict: refuse annotations that would be mended.

    Raises:
        UserError: a file is malformed, or a result is of an unknown video or category, or has not one
            segmentation or null for every frame.
    """
    dataset = load_ytvis(gt, strict=strict)
    answers = load_ytvis_results(results, dataset)
    truths, detections = defaultdict(list), defaultdict(list)
    for track in dataset.tracks:
        truths[track.video_id, track.category_id].append(track)
    for answer in answers:
        detections[answer.video_id, answer.category_id].append(answer)
    matches: dict[int, list[Matches]] = {category.id: [] for category in dataset.categories}
    for video_id in progress(sorted(dataset.video_by_id)):
        for category_id, of_category in matches.items():
            key = video_id, category_id
            if key in truths or key in detections:
                of_category.append(match(candidates(detections[key], truths[key]), AREA_RANGES))
    curves = {
        category_id: precision_recall(found, len(AREA_RANGES)) for category_id, found in matches.items()
    }
    counts = {
        "videos": len(dataset.videos),
        "frames": sum(video.length for video in dataset.videos),
        "annotations": len(dataset.tracks),
        "results": len(answers),
    }
    ids = [track.id for track in dataset.tracks]
    result = average_precision_result("ytvis", curves, dataset.categories, counts, ids)
    return replace(result, notes=(*result.notes, *dataset.notes))


def candidates(detections: Sequence[VideoResult], truths: Sequence[Track]) -> Candidates:
    """What is to be matched in one video and category, in the order of the files."""
    found = [make_tube(detection.segmentations) for detection in detections]
    return Candidates(
        scores=np.array([detection.score for detection in detections], dtype=np.float64),
        areas=np.array([mean_area(tube.areas.tolist()) for tube in found], dtype=np.float64),
        iou=tube_iou(found, [make_tube(truth.segmentations) for truth in truths]),
        truth_areas=np.array([mean_area(truth.areas) for truth in truths], dtype=np.float64),
        truth_crowd=np.array([truth.iscrowd for truth in truths], dtype=bool),
        truth_ids=np.array([truth.id for truth in truths], dtype=np.int64),
    )
