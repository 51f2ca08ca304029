"""Neighbours: whether objects of one class that touch are told apart, and masks that join two of them. Ours.

Average precision hardly feels two persons under one mask, which a viewer sees at once. All figures are of the
predictions in the file; give it those that a viewer is shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.benchmarks.accuracy.result import ABSENT, AccuracyResult, ClassAccuracy, ProgressBar
from mobilevis.data.coco import load_coco, load_coco_results
from mobilevis.runtime import rle
from mobilevis.runtime.errors import missing_extra

REACH = 4  # pixels: masks that are no further apart touch
FOUND_IOU = 0.5
JOINED_COVER = 0.5  # of each of two objects, from which a mask joins them


@dataclass
class Tally:
    """What was counted of one class, or of all.

    Attributes:
        pairs: pairs of objects that touch.
        found: those of which two predictions hold the one and the other.
        predictions: all.
        joined: those that cover two objects, whether these touch or not.
    """

    pairs: int = 0
    found: int = 0
    predictions: int = 0
    joined: int = 0

    def add(self, other: Tally) -> None:
        """Count another class or image too."""
        for name, count in vars(other).items():
            setattr(self, name, getattr(self, name) + count)

    def figures(self) -> dict[str, float]:
        """``pairs``, the recall of pairs, and ``joined``, the part of the predictions."""
        return {
            "pairs": self.found / self.pairs if self.pairs else ABSENT,
            "joined": self.joined / self.predictions if self.predictions else ABSENT,
        }


def evaluate_neighbours(
    gt: Path, results: Path, progress: ProgressBar = iter, strict: bool = False
) -> AccuracyResult:
    """Recall of pairs of touching objects of one class, and the part of the predictions that join two.

    Args:
        gt: COCO annotations; crowds are left out.
        results: COCO results.
        progress: wraps the loop over images.
        strict: refuse annotations that would be mended.

    Raises:
        UserError: a file is malformed, or a result is of an unknown image or category.
    """
    dataset = load_coco(gt, strict=strict)
    answers = load_coco_results(results, dataset)
    truths, found = defaultdict(list), defaultdict(list)
    for annotation in dataset.annotations:
        if not annotation.iscrowd:
            truths[annotation.image_id, annotation.category_id].append(annotation.segmentation)
    for answer in answers:
        found[answer.image_id, answer.category_id].append(answer.segmentation)
    classes = {category.id: Tally() for category in dataset.categories}
    for image in progress(dataset.images):
        for category_id, tally in classes.items():
            key = image.id, category_id
            if key in truths or key in found:
                tally.add(count_neighbours(truths[key], found[key]))
    total = Tally()
    for tally in classes.values():
        total.add(tally)
    counts = {
        "images": len(dataset.images),
        "touching pairs": total.pairs,
        "results": len(answers),
        "joined": total.joined,
    }
    per_class = tuple(
        ClassAccuracy(category.id, category.name, classes[category.id].figures())
        for category in dataset.categories
    )
    return AccuracyResult("neighbours", total.figures(), per_class, counts, dataset.notes)


def count_neighbours(truths: Sequence[rle.Rle], predictions: Sequence[rle.Rle]) -> Tally:
    """Count one class in one image, whose masks are compressed RLE of its size."""
    tally = Tally(predictions=len(predictions))
    pairs = [pair for pair in combinations(range(len(truths)), 2) if touch(*(truths[i] for i in pair))]
    tally.pairs = len(pairs)
    if len(truths) < 2 or not predictions:
        return tally
    holds = _overlaps(predictions, truths) >= FOUND_IOU
    for pair in pairs:
        first, second = (set(np.flatnonzero(holds[:, index])) for index in pair)
        tally.found += bool(first and second and len(first | second) > 1)
    covers = _overlaps(truths, predictions, of_the_first=True) >= JOINED_COVER
    tally.joined = int((covers.sum(axis=0) >= 2).sum())
    return tally


def touch(first: rle.Rle, second: rle.Rle) -> bool:
    """Whether two masks of one image lie at most ``REACH`` pixels apart."""
    one, other = rle.decode(first), rle.decode(second)
    rows, columns = (_reach(one, axis) for axis in (1, 0))
    near = other[rows, columns]
    if not near.any():
        return False
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH + 1, 2 * REACH + 1))
    grown = cv2.dilate(np.ascontiguousarray(one[rows, columns], dtype=np.uint8), disc)
    return bool((grown.astype(bool) & near).any())


def _reach(mask: NDArray[np.bool_], axis: int) -> slice:
    """The lines that a mask's pixels, or those within reach of them, lie on."""
    lines = np.flatnonzero(mask.any(axis=axis))
    return slice(max(0, lines[0] - REACH), lines[-1] + REACH + 1) if len(lines) else slice(0, 0)


def _overlaps(
    first: Sequence[rle.Rle], second: Sequence[rle.Rle], of_the_first: bool = False
) -> NDArray[np.float64]:
    """(n, m): IoU, or the part of each of the first masks that each second one covers."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise missing_extra("pycocotools", "data") from error
    return np.asarray(mask.iou(list(first), list(second), [of_the_first] * len(second)))
