"""Panoptic segments: pixels shared out among a clip's queries, so that no two segments have the same one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.masks import to_frame
from mobilevis.runtime.results import Instance

# A segment of which the better ones leave less than this is dropped (kMaX-DeepLab's and MaXTron's value).
LEAST_VISIBLE = 0.8


@dataclass(frozen=True)
class QuerySegment:
    """A thing, or all of a class of stuff, in the frames of a clip.

    Attributes:
        track_id: from 1.
        class_index: from 0.
        score: in [0, 1].
        probabilities: (F, h, w), of each cell to be the segment's.
    """

    track_id: int
    class_index: int
    score: float
    probabilities: Array


def query_softmax(logits: Array) -> Array:
    """Mask logits (F, N, h, w) → probabilities over the N queries of each cell."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def mask_scores(probabilities: Array, threshold: float) -> Array:
    """Mean probability of each query's mask in a clip, (F, N, h, w) → (N,); 0 where it has none."""
    inside = probabilities > threshold
    counts = inside.sum(axis=(0, 2, 3))
    sums = np.where(inside, probabilities, 0.0).sum(axis=(0, 2, 3))
    return np.asarray(sums / np.maximum(counts, 1), dtype=np.float32)


def gather_segments(
    probabilities: Array, classes: NDArray[np.intp], scores: Array, stuff: Sequence[int]
) -> list[QuerySegment]:
    """Queries as segments, by falling score: a thing is one query, stuff all queries of its class.

    Args:
        probabilities: (F, N, h, w); query n is track n + 1.
        classes: (N,).
        scores: (N,); a query of score 0 is no segment.
        stuff: classes without instances; class c is track N + 1 + c, and its probability the sum of its
            queries'.
    """
    count = len(classes)
    wanted = np.flatnonzero(scores > 0)
    is_stuff = np.isin(classes, np.asarray(stuff, dtype=np.intp))
    segments = [
        QuerySegment(int(n) + 1, int(classes[n]), float(scores[n]), probabilities[:, n])
        for n in wanted[~is_stuff[wanted]]
    ]
    for c in sorted({int(classes[n]) for n in wanted[is_stuff[wanted]]}):
        own = wanted[classes[wanted] == c]
        joined = probabilities[:, own].sum(axis=1)
        segments.append(QuerySegment(count + 1 + c, c, float(scores[own].max()), joined))
    return sorted(segments, key=lambda segment: -segment.score)


def visible_segments(segments: Sequence[QuerySegment], threshold: float) -> list[QuerySegment]:
    """Those segments that the better ones leave at least ``LEAST_VISIBLE`` of."""
    kept: list[QuerySegment] = []
    taken: Optional[NDArray[np.bool_]] = None
    for segment in segments:
        mask = segment.probabilities > threshold
        taken = np.zeros_like(mask) if taken is None else taken
        free = mask & ~taken
        if free.sum() > LEAST_VISIBLE * mask.sum():
            taken |= free
            kept.append(segment)
    return kept


def paint(
    segments: Sequence[QuerySegment], frame: int, letterbox: Letterbox, stride: int, threshold: float
) -> Iterator[Instance]:
    """The segments in one frame of the clip, as instances that do not overlap: a pixel is the first one's.

    Args:
        segments: by falling score.
        frame: position in the clip.
        letterbox: where the source frame lies in the input.
        stride: input pixels for each cell.
        threshold: least probability of a segment's pixel.
    """
    taken = np.zeros(letterbox.frame_size, dtype=np.bool_)
    for segment in segments:
        placed = to_frame(segment.probabilities[frame], letterbox, stride, threshold)
        if placed is None:
            continue
        (x0, y0, x1, y1), mask = placed
        mask = mask & ~taken[y0:y1, x0:x1]
        if mask.any():
            taken[y0:y1, x0:x1] |= mask
            yield Instance(
                segment.track_id,
                segment.class_index,
                min(segment.score, 1.0),
                (x0, y0, x1, y1),
                mask,
                letterbox.frame_size,
            )
