"""One detection for each object, where a network gives several.

Queries of a lightly trained MobileInst share objects: three to four of the kernels that score 0.05 or more
lie on each. Masks are linear in their kernels, so the mean of mask logits is the mask of the mean kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import TINY, Array
from mobilevis.runtime.association.regions import Region


def fusion_weights(
    scores: Array,
    regions: Sequence[Region],
    least_iou: float,
    still_one_iou: float = 0.0,
    together: Optional[NDArray[np.intp]] = None,
) -> Array:
    """Which detections make up an object, and with which weight.

    By falling score, a detection joins the first-found object whose best detection it overlaps most, or is a
    new one's best detection.

    Args:
        scores: (S,) float32 in [0, 1].
        regions: S, of one frame.
        least_iou: of a detection with an object's best one, more than 0.
        still_one_iou: of two that were one object on the keyframe, more than 0.
        together: (S,), the object that each was part of on the keyframe; None where this is it.

    Returns:
        (D, S) float32: row d holds the weights of object d's detections, in proportion to their scores; rows
        sum to 1, no column has two entries, and rows come by falling best score.
    """
    best: list[int] = []
    object_of = np.zeros(len(scores), dtype=np.intp)
    for detection in np.argsort(-scores, kind="stable").tolist():
        overlaps = []
        for other in best:
            is_still_one = together is not None and together[detection] == together[other]
            least = still_one_iou if is_still_one else least_iou
            overlap = regions[detection].iou(regions[other], least)
            overlaps.append(overlap if overlap >= least else 0.0)
        highest = max(overlaps, default=0.0)
        if highest > 0.0:
            object_of[detection] = overlaps.index(highest)
        else:
            object_of[detection] = len(best)
            best.append(detection)
    weights = np.zeros((len(best), len(scores)), dtype=np.float32)
    weights[object_of, np.arange(len(scores))] = np.maximum(scores, TINY)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
