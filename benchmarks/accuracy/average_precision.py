"""Average precision on plain arrays: COCO's greedy matching, its precision curves and their summary.

The rules are those of the COCO evaluator and of its YouTube-VIS descendant (``ytvoseval.py`` in
youtubevos/cocoapi), down to the order in which ties are resolved, because the figures must be theirs.

Axes of the arrays: A area ranges, T IoU thresholds, R recall thresholds, K categories, M detection limits,
D detections and G annotations of one category in one video.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.benchmarks.accuracy.result import ABSENT, AccuracyResult, ClassAccuracy
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

IOU_THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS: Floats = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = (1, 10, 100)


# figure → (precision or recall, IoU threshold or all, area range, detection limit)
FIGURES: dict[str, tuple[str, Optional[float], int, int]] = {
    "AP": ("precision", None, 0, 2),
    "AP50": ("precision", 0.5, 0, 2),
    "AP75": ("precision", 0.75, 0, 2),
    "APs": ("precision", None, 1, 2),
    "APm": ("precision", None, 2, 2),
    "APl": ("precision", None, 3, 2),
    "AR1": ("recall", None, 0, 0),
    "AR10": ("recall", None, 0, 1),
    "AR100": ("recall", None, 0, 2),
    "ARs": ("recall", None, 1, 2),
    "ARm": ("recall", None, 2, 2),
    "ARl": ("recall", None, 3, 2),
}


@dataclass(frozen=True)
class Candidates:
    """The detections and the annotations of one category in one video, in the order of their files.

    Attributes:
        scores: (D,).
        areas: (D,) mean area per frame in pixels.
        iou: (D, G).
        truth_areas: (G,) mean area per frame in pixels.
        truth_crowd: (G,) bool; a crowd may be matched many times and never counts.
        truth_ids: (G,). A match with the annotation of id 0 counts as none: the references keep the id as
            their mark of a match.
    """

    scores: Floats
    areas: Floats
    iou: Floats
    truth_areas: Floats
    truth_crowd: Bools
    truth_ids: NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """What became of the best-scored detections of one ``Candidates``, by falling score.

    Attributes:
        scores: (D,).
        matched: (A, T, D) bool.
        ignored: (A, T, D) bool; neither right nor wrong.
        positives: (A,) number of annotations to find.
    """

    scores: Floats
    matched: Bools
    ignored: Bools
    positives: NDArray[np.int64]


def match(candidates: Candidates, area_ranges: Floats) -> Matches:
    """Give each detection, best score first, the free annotation of largest IoU.

    Annotations that count come before ignored ones (crowds, and areas outside the range); of equal IoUs the
    later annotation in the file wins.

    Args:
        candidates: of one category in one video.
        area_ranges: (A, 2) lowest and highest area in pixels, both inclusive.
    """
    order = np.argsort(-candidates.scores, kind="stable")[: MAX_DETECTIONS[-1]]
    low, high = area_ranges[:, :1], area_ranges[:, 1:]
    truth_ignored = (
        candidates.truth_crowd | (candidates.truth_areas < low) | (candidates.truth_areas > high)
    )  # (A, G)
    shape = (len(area_ranges), len(IOU_THRESHOLDS), len(order))
    matched, ignored = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    n = len(candidates.truth_ids)
    taken = np.zeros((*shape[:2], n), dtype=bool)
    areas_index = np.arange(shape[0])[:, None]
    enough = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)[:, None]
    for rank, detection in enumerate(order if n else ()):
        iou = candidates.iou[detection]
        free = (iou >= enough) & (~taken | candidates.truth_crowd)
        counted = free & ~truth_ignored[:, None]
        pool = np.where(counted.any(axis=-1, keepdims=True), counted, free)
        best = n - 1 - np.argmax(np.where(pool, iou, -1.0)[..., ::-1], axis=-1)  # (A, T)
        found = pool.any(axis=-1)
        taken |= found[..., None] & (best[..., None] == np.arange(n))
        matched[..., rank] = found & (candidates.truth_ids[best] != 0)
        ignored[..., rank] = found & truth_ignored[areas_index, best]
    areas = candidates.areas[order]
    ignored |= ~matched & ((areas < low) | (areas > high))[:, None]
    return Matches(candidates.scores[order], matched, ignored, np.sum(~truth_ignored, axis=1))


def precision_recall(matches: Sequence[Matches], n_areas: int) -> tuple[Floats, Floats]:
    """The interpolated precision and the recall of one category over all videos.

    Args:
        matches: one for each video that has detections or annotations, by rising video id.
        n_areas: A.

    Returns:
        precision (T, R, A, M) and recall (T, A, M); ``ABSENT`` where there is nothing to find.
    """
    n_limits = len(MAX_DETECTIONS)
    precision = np.full((len(IOU_THRESHOLDS), len(RECALL_THRESHOLDS), n_areas, n_limits), ABSENT)
    recall = np.full((len(IOU_THRESHOLDS), n_areas, n_limits), ABSENT)
    if not matches:
        return precision, recall
    positives = np.sum([m.positives for m in matches], axis=0)
    for index, limit in enumerate(MAX_DETECTIONS):
        scores = np.concatenate([m.scores[:limit] for m in matches])
        order = np.argsort(-scores, kind="stable")
        matched = np.concatenate([m.matched[..., :limit] for m in matches], axis=-1)[..., order]
        ignored = np.concatenate([m.ignored[..., :limit] for m in matches], axis=-1)[..., order]
        right = np.cumsum(matched & ~ignored, axis=-1, dtype=np.float64)
        wrong = np.cumsum(~matched & ~ignored, axis=-1, dtype=np.float64)
        curve = right / (right + wrong + np.spacing(1))
        envelope = np.maximum.accumulate(curve[..., ::-1], axis=-1)[..., ::-1]
        for area in np.flatnonzero(positives):
            recalls = right[area] / positives[area]  # (T, D)
            recall[:, area, index] = recalls[:, -1] if scores.size else 0.0
            for threshold, reached in enumerate(recalls):
                first = np.searchsorted(reached, RECALL_THRESHOLDS, side="left")
                precision[threshold, :, area, index] = np.append(envelope[area, threshold], 0.0)[first]
    return precision, recall


def summarise(precision: Floats, recall: Floats) -> dict[str, float]:
    """The table of figures, each the mean over what is not ``ABSENT``, in [0, 1] or ``ABSENT``.

    Args:
        precision: (T, R, K, A, M).
        recall: (T, K, A, M).
    """
    curves = {"precision": precision, "recall": recall}
    figures = {}
    for name, (kind, iou, area, limit) in FIGURES.items():
        values = curves[kind][..., area, limit]
        if iou is not None:
            values = values[np.isclose(IOU_THRESHOLDS, iou)]
        present = values[values > ABSENT]
        figures[name] = float(np.mean(present)) if present.size else ABSENT
    return figures


def average_precision_result(
    metric: str,
    curves: Mapping[int, tuple[Floats, Floats]],
    categories: Iterable[Category],
    counts: Mapping[str, int],
    annotation_ids: Iterable[int],
) -> AccuracyResult:
    """The figures over all classes and of each class.

    Args:
        metric: its name.
        curves: category id → precision (T, R, A, M) and recall (T, A, M).
        categories: of the dataset.
        counts: what was evaluated.
        annotation_ids: of the ground truth.

    Raises:
        UserError: there is no category.
    """
    if not curves:
        raise UserError("the annotations have no category", fix="list the categories that they are of")
    precision = np.stack([curve[0] for curve in curves.values()], axis=2)
    recall = np.stack([curve[1] for curve in curves.values()], axis=1)
    per_class = tuple(
        ClassAccuracy(c.id, c.name, summarise(curves[c.id][0][:, :, None], curves[c.id][1][:, None]))
        for c in categories
    )
    zero_id = "the annotation of id 0 counts as never found, as in the reference: number annotations from 1"
    notes = (zero_id,) if 0 in annotation_ids else ()
    return AccuracyResult(metric, summarise(precision, recall), per_class, counts, notes)
