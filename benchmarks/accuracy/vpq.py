"""Video panoptic quality: PQ of the tubes in every window of 1, 2, 4 and 6 frames.

VPQ is from "Video Panoptic Segmentation" (arXiv:2006.11339), as VIPSeg's ``eval_vpq_vspw.py`` counts it; a
video that is shorter than a window has no tubes of that length.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mobilevis.benchmarks.accuracy.frame_pairs import FramePair, SegmentAreas, pair_frames
from mobilevis.benchmarks.accuracy.result import ABSENT, AccuracyResult, ClassAccuracy, ProgressBar
from mobilevis.data.vipseg import VOID, load_submission, load_truth
from mobilevis.runtime.errors import UserError

WINDOWS = (1, 2, 4, 6)


@dataclass
class Tally:
    """Matched tubes of one class with the sum of their IoUs, and what was left over on either side."""

    iou: float = 0.0
    matched: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @property
    def quality(self) -> float:
        """PQ in [0, 1]; ``ABSENT`` for a class without tubes."""
        weight = self.matched + (self.false_positives + self.false_negatives) / 2
        return self.iou / weight if weight else ABSENT


Tallies = defaultdict[int, Tally]


def join(frames: Iterable[SegmentAreas]) -> SegmentAreas:
    """Join the segments of one id over frames; class and crowd flag are those of its first frame."""
    joined: SegmentAreas = {}
    for segments in frames:
        for identity, segment in segments.items():
            tube = joined.get(identity)
            joined[identity] = replace(tube, area=tube.area + segment.area) if tube else segment
    return joined


def match_window(pairs: Sequence[FramePair], tallies: Tallies) -> None:
    """Match the tubes of one window and add the outcome to the tallies.

    A pair of one class matches where its IoU exceeds 0.5, void pixels aside. A false positive that lies by
    more than half on void, or on the crowd of its class, is forgiven.
    """
    truths = join(pair.truth for pair in pairs)
    predictions = join(pair.prediction for pair in pairs)
    overlaps = Counter[tuple[int, int]]()
    for pair in pairs:
        overlaps.update(pair.overlaps)
    matched_truths, matched_predictions = set(), set()
    for (true_id, predicted_id), overlap in overlaps.items():
        truth, prediction = truths.get(true_id), predictions.get(predicted_id)
        if truth is None or prediction is None or truth.is_crowd:
            continue
        union = prediction.area + truth.area - overlap - overlaps[VOID, predicted_id]
        if truth.category_id == prediction.category_id and overlap / union > 0.5:
            tallies[truth.category_id].iou += overlap / union
            tallies[truth.category_id].matched += 1
            matched_truths.add(true_id)
            matched_predictions.add(predicted_id)
    for true_id, truth in truths.items():
        if true_id not in matched_truths and not truth.is_crowd:
            tallies[truth.category_id].false_negatives += 1
    crowds = {truth.category_id: true_id for true_id, truth in truths.items() if truth.is_crowd}
    for predicted_id, prediction in predictions.items():
        if predicted_id in matched_predictions:
            continue
        forgiven = overlaps[VOID, predicted_id]
        if prediction.category_id in crowds:
            forgiven += overlaps[crowds[prediction.category_id], predicted_id]
        if forgiven / prediction.area <= 0.5:
            tallies[prediction.category_id].false_positives += 1


def mean_quality(tallies: Tallies, categories: Iterable[int]) -> float:
    """Mean PQ over those of the categories that have tubes; ``ABSENT`` if none has."""
    qualities = [tallies[c].quality for c in categories if tallies[c].quality != ABSENT]
    return sum(qualities) / len(qualities) if qualities else ABSENT


def evaluate_vpq(
    gt: Path, results: Path, progress: ProgressBar = iter, strict: bool = True
) -> AccuracyResult:
    """VPQ of a VIPSeg submission: over all classes, things and stuff, for each window and their mean.

    Args:
        gt: the panoptic annotations, with ``panomasksRGB/`` beside them.
        results: the submission's ``pred.json``, with ``pan_pred/`` beside it.
        progress: wraps the loop over the videos.
        strict: as for the other metrics; nothing of this format is mended.

    Raises:
        UserError: a file is malformed, the two do not belong together, or every video is shorter than the
            longest window.
    """
    dataset = load_truth(gt)
    submission = load_submission(results, dataset)
    if max(len(video.frames) for video in dataset.videos) < WINDOWS[-1]:
        raise UserError(
            f"no video has {WINDOWS[-1]} frames, the longest window of VPQ", gt, "evaluate longer videos"
        )
    by_window: dict[int, Tallies] = {k: defaultdict(Tally) for k in WINDOWS}
    for video in progress(dataset.videos):
        pairs = pair_frames(video, submission[video.id])
        for k, tallies in by_window.items():
            for start in range(len(pairs) - k + 1):
                match_window(pairs[start : start + k], tallies)
    things = [c.id for c in dataset.categories.values() if c.is_thing]
    groups = {
        "VPQ": list(dataset.categories),
        "VPQ_things": things,
        "VPQ_stuff": [c for c in dataset.categories if c not in things],
    }
    metrics = {name: _mean_over_windows(by_window, group) for name, group in groups.items()}
    for k, tallies in by_window.items():
        metrics[f"VPQ{k}"] = mean_quality(tallies, dataset.categories)
    per_class = tuple(
        ClassAccuracy(c.id, c.name, {"VPQ": _mean_over_windows(by_window, [c.id])})
        for c in dataset.categories.values()
    )
    return AccuracyResult("vpq", metrics, per_class, dataset.counts(submission))


def _mean_over_windows(by_window: dict[int, Tallies], categories: Sequence[int]) -> float:
    qualities = [mean_quality(tallies, categories) for tallies in by_window.values()]
    present = [quality for quality in qualities if quality != ABSENT]
    return sum(present) / len(present) if present else ABSENT
