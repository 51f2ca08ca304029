"""Segmentation and tracking quality: how well every pixel is classified and how well it is tracked.

STQ = sqrt(AQ · IoU), from "STEP: Segmenting and Tracking Every Pixel" (arXiv:2102.11859), as DeepLab2's
NumPy evaluator counts it. Crowds are the true things marked ``iscrowd``. VIPSeg's ``eval_stq_vspw.py`` takes
for a crowd the first segment that a video lists, if it is a thing, and no other; the two agree on VIPSeg's
own data, which list stuff first and mark no crowd.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobilevis.benchmarks.accuracy.frame_pairs import FramePair, SegmentAreas, joint_histogram, pair_frames
from mobilevis.benchmarks.accuracy.result import ABSENT, AccuracyResult, ClassAccuracy, ProgressBar
from mobilevis.data.vipseg import VOID, load_submission, load_truth

Labels = NDArray[np.integer]
ID_BITS = 24  # of a panoptic PNG's ids


class TrackingQuality:
    """Counts pixels by true and predicted label, and makes the figures of the counts.

    A label is ``(class << instance_bits) + instance``. A true thing of instance 0 is a crowd: its pixels
    count for the IoU and not for the association.

    Args:
        num_classes: classes are 0 … num_classes - 1.
        things: the classes whose instances are tracked.
        ignore_label: the class of void pixels; void truth counts for nothing, but a void prediction on
            labelled truth makes void one more class, of IoU 0, as in the reference.
    """

    def __init__(
        self, num_classes: int, things: Collection[int], ignore_label: int = 255, instance_bits: int = 16
    ) -> None:
        self.num_classes = num_classes
        self.things = sorted(things)
        self.ignore_label = ignore_label
        self.instance_bits = instance_bits
        self._pixels: dict[Hashable, Counter[tuple[int, int]]] = defaultdict(Counter)

    def update(self, truth: Labels, prediction: Labels, sequence: Hashable = 0) -> None:
        """Add one frame: labels of the same shape, any integers."""
        self.add(joint_histogram(truth, prediction), sequence)

    def add(self, pixels: Mapping[tuple[int, int], int], sequence: Hashable) -> None:
        """Add one frame as {(true label, predicted label): number of pixels}."""
        self._pixels[sequence].update(pixels)

    def association_quality(self) -> float:
        """AQ: over all true tubes, the mean of Σ overlap · IoU / size."""
        total, tubes = 0.0, 0
        for pixels in self._pixels.values():
            truth, prediction, count = _columns(pixels)
            crowd = self._is_thing(truth) & (truth & ((1 << self.instance_bits) - 1) == 0)
            true_thing = self._is_thing(truth) & ~crowd
            predicted_thing = self._is_thing(prediction) & ~crowd
            truth_index, truth_size = _sizes(truth, count, true_thing)
            predicted_index, predicted_size = _sizes(prediction, count, predicted_thing)
            both = true_thing & predicted_thing
            size = truth_size[truth_index[both]]
            union = size + predicted_size[predicted_index[both]] - count[both]
            total += float(np.sum(count[both] ** 2 / union / size))
            tubes += truth_size.size
        return total / tubes if tubes else 0.0

    def class_iou(self) -> NDArray[np.float64]:
        """(num_classes + 1,) IoU by class, void last; NaN for a class without pixels."""
        void = self.num_classes
        overlap, true, predicted = np.zeros((3, void + 1))
        for pixels in self._pixels.values():
            truth, prediction, count = _columns(pixels)
            truth, prediction = self._classes(truth), self._classes(prediction)
            for total, classes, chosen in (
                (overlap, truth, (truth != void) & (truth == prediction)),
                (true, truth, truth != void),
                (predicted, prediction, truth != void),
            ):
                total += np.bincount(classes[chosen], count[chosen], minlength=void + 1)
        union = true + predicted - overlap
        return np.divide(overlap, union, out=np.full(void + 1, np.nan), where=union > 0)

    def figures(self) -> dict[str, float]:
        """STQ, AQ and IoU in [0, 1]; ``ABSENT`` where no pixel of the truth is labelled."""
        iou = self.class_iou()
        if np.isnan(iou).all():
            return {"STQ": ABSENT, "AQ": ABSENT, "IoU": ABSENT}
        mean_iou, association = float(np.nanmean(iou)), self.association_quality()
        return {"STQ": (association * mean_iou) ** 0.5, "AQ": association, "IoU": mean_iou}

    def _classes(self, labels: Labels) -> Labels:
        classes = labels >> self.instance_bits
        return np.where(classes == self.ignore_label, self.num_classes, classes)

    def _is_thing(self, labels: Labels) -> NDArray[np.bool_]:
        return np.isin(labels >> self.instance_bits, self.things)


def _columns(pixels: Mapping[tuple[int, int], int]) -> tuple[Labels, Labels, Labels]:
    table = np.array([(truth, prediction, n) for (truth, prediction), n in pixels.items()], dtype=np.int64)
    truth, prediction, count = table.T
    return truth, prediction, count


def _sizes(labels: Labels, count: Labels, chosen: NDArray[np.bool_]) -> tuple[Labels, Labels]:
    """Each row's index into the tubes among the chosen rows, and the tubes' sizes in pixels."""
    tubes, index = np.unique(labels[chosen], return_inverse=True)
    row_index = np.full(labels.shape, -1)
    row_index[chosen] = index
    return row_index, np.bincount(index, count[chosen], minlength=tubes.size).astype(np.int64)


def label_pixels(pair: FramePair, class_index: Mapping[int, int], void: int) -> Counter[tuple[int, int]]:
    """One frame as {(true label, predicted label): number of pixels}, instances named by their ids.

    Args:
        pair: the frame.
        class_index: category id → class, from 0.
        void: the class of void pixels.
    """

    def label(identity: int, tubes: SegmentAreas) -> int:
        if identity == VOID:
            return void << ID_BITS
        return (class_index[tubes[identity].category_id] << ID_BITS) + identity

    pixels = Counter[tuple[int, int]]()
    for (true_id, predicted_id), count in pair.overlaps.items():
        true_label = label(true_id, pair.truth)
        if true_id != VOID and pair.truth[true_id].is_crowd:
            true_label -= true_id  # instance 0
        pixels[true_label, label(predicted_id, pair.prediction)] += count
    return pixels


def evaluate_stq(
    gt: Path, results: Path, progress: ProgressBar = iter, strict: bool = True
) -> AccuracyResult:
    """STQ, AQ and IoU of a VIPSeg submission, and the IoU of each class.

    Args:
        gt: the panoptic annotations, with ``panomasksRGB/`` beside them.
        results: the submission's ``pred.json``, with ``pan_pred/`` beside it.
        progress: wraps the loop over the videos.
        strict: as for the other metrics; nothing of this format is mended.

    Raises:
        UserError: a file is malformed, or the two do not belong together.
    """
    dataset = load_truth(gt)
    submission = load_submission(results, dataset)
    class_index = {identity: index for index, identity in enumerate(dataset.categories)}
    void = len(class_index)
    things = [class_index[c.id] for c in dataset.categories.values() if c.is_thing]
    quality = TrackingQuality(void, things, ignore_label=void, instance_bits=ID_BITS)
    for video in progress(dataset.videos):
        for pair in pair_frames(video, submission[video.id]):
            quality.add(label_pixels(pair, class_index, void), video.id)
    per_class = tuple(
        ClassAccuracy(c.id, c.name, {"IoU": ABSENT if np.isnan(iou) else float(iou)})
        for c, iou in zip(dataset.categories.values(), quality.class_iou())
    )
    return AccuracyResult("stq", quality.figures(), per_class, dataset.counts(submission))
