"""How the camera moves what masks show: by the masks themselves, near what the pictures tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.association.camera import Step

# How alike a pair must be, and how many pairs it takes, to say how the camera moved.
SURE_LIKENESS = 0.5
LEAST_PAIRS = 3
# Cells that a pair's step may differ from the common one, down or across: what is near passes faster.
# Of 165 objects with rivals in ten real clips .873 kept their identity over eight frames at 3, .915 at 8.
MOST_SCATTER = 8.0
# Cells that a pair's step may differ from what the pictures tell. At 3 and 4 identities are the same; of 243
# over two frames one is lost at 5 and two at 2.
NEAR_PICTURED = 4.0


def find_common_step(
    likeness: NDArray[np.float32],
    expected: Sequence[Sequence[float]],
    found: Sequence[Sequence[float]],
    pictured: Optional[Step] = None,
) -> Step:
    """How much further than expected everything moved: the camera, or nothing where too few pairs tell.

    A camera that turns moves a crowd by more than a person's width in a few frames, so that each is where
    its neighbour was expected. Looks survive that: the median over the pairs that are each other's likest.
    Where the pictures tell the step, too, pairs that say something else have no say, and too few leave it as
    it is.

    Args:
        likeness: (n, m), of tracks that the last frame showed with this frame's detections.
        expected: n tracks' centres (y, x) in cells.
        found: m detections'.
        pictured: the camera's step by the pictures, in cells (y, x); None where they do not tell.

    Returns:
        Cells (y, x).
    """
    untold = pictured if pictured is not None else (0.0, 0.0)
    if min(likeness.shape) < LEAST_PAIRS:
        return untold
    best, best_back = likeness.argmax(axis=1), likeness.argmax(axis=0)
    is_mutual = best_back[best] == np.arange(len(best))
    rows = np.flatnonzero(is_mutual & (likeness.max(axis=1) >= SURE_LIKENESS))
    pairs = zip(rows.tolist(), best[rows].tolist())
    steps = [(found[k][0] - expected[n][0], found[k][1] - expected[n][1]) for n, k in pairs]
    if pictured is not None:
        steps = [step for step in steps if _distance(step, pictured) <= NEAR_PICTURED]
    if len(steps) < LEAST_PAIRS:
        return untold
    common = _median([y for y, _ in steps]), _median([x for _, x in steps])
    agreed = sum(_distance(step, common) <= MOST_SCATTER for step in steps)
    return common if agreed >= max(LEAST_PAIRS, len(steps) / 2) else untold


def _distance(a: Step, b: Step) -> float:
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]))


def _median(values: Sequence[float]) -> float:
    ranked, count = sorted(values), len(values)
    return (ranked[(count - 1) // 2] + ranked[count // 2]) / 2.0
