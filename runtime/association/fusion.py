"""One detection for each object, where a network gives several.

Queries of a lightly trained MobileInst share objects: three to four of the kernels that score 0.05 or more
lie on each. Masks are linear in their kernels, so the mean of mask logits is the mask of the mean kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mobilevis.runtime.arrays import TINY, Array
from mobilevis.runtime.association.regions import Region


def fusion_weights(scores: Array, regions: Sequence[Region], least_iou: float) -> Array:
    """Which detections make up an object, and with which weight.

    By falling score, a detection joins the first-found object whose best detection it overlaps most, or is a
    new one's best detection.

    Args:
        scores: (S,) float32 in [0, 1].
        regions: S, of one frame.
        least_iou: of a detection with an object's best one, more than 0.

    Returns:
        (D, S) float32: row d holds the weights of object d's detections, in proportion to their scores; rows
        sum to 1, no column has two entries, and rows come by falling best score.
    """
    best: list[int] = []
    members: list[list[int]] = []
    for detection in np.argsort(-scores, kind="stable").tolist():
        overlaps = [regions[detection].iou(regions[other], least_iou) for other in best]
        highest = max(overlaps, default=0.0)
        if highest >= least_iou:
            members[overlaps.index(highest)].append(detection)
        else:
            best.append(detection)
            members.append([detection])
    weights = np.zeros((len(members), len(scores)), dtype=np.float32)
    for row, group in zip(weights, members):
        row[group] = np.maximum(scores[group], TINY)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
