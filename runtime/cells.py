"""What the client does with a dense model's cells: choose them, cut their masks, move their kernels' place.

Boxes are x0, y0, x1, y1 as fractions of the network's input. A kernel's last five numbers are the factors of
(x², y², x, y, 1), coordinates being fractions of the input from its centre.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import TINY, Array

PLACE_CHANNELS = 5  # of kernels and mask features, the last ones
MAX_CANDIDATES = 1000  # by falling objectness: time is bounded, whatever a network puts out
NMS_BLOCK = 64  # boxes whose overlaps are found at once: most frames need one block, no frame all pairs
BOX_MARGIN = 0.08  # of a fresh box, each side
# A reused kernel's box is where its object was a frame ago: cut as closely as a fresh one, the mask of what
# moves by 12 % of its side a frame loses its front, its box shrinks, and in eight frames nothing is left.
REUSED_MARGIN = 0.25
# Of where an object without a box is looked for: it may move by a third of its side in a frame.
LOOK_MARGIN = 0.4
# A mask that flickers must not shrink or blow up the place that it is looked for in.
MAX_GROWTH = 2.0


def find_likely(objectness: Array, least: float, fewest: int) -> NDArray[np.intp]:
    """The cells that may score enough, as no class scores more than its cell's objectness: 30 of 4,200.

    Args:
        objectness: (A,) in [0, 1].
        least: score that is enough.
        fewest: so many of the likeliest are taken in any case, if there are as many.

    Returns:
        Indices, rising; at most ``MAX_CANDIDATES`` of the likeliest.
    """
    likely = np.flatnonzero(objectness >= least)
    if len(likely) > MAX_CANDIDATES:
        best = np.argsort(-objectness[likely], kind="stable")[:MAX_CANDIDATES]
        likely = np.sort(likely[best])
    elif len(likely) < fewest:
        likely = np.sort(np.argpartition(-objectness, min(fewest, len(objectness)) - 1)[:fewest])
    return likely


def choose_cells(
    scores: Array, boxes: Array, least_score: float, nms_iou: float, most: int
) -> NDArray[np.int64]:
    """Cells that show an object, by falling score of their best class; class-wise non-maximum suppression.

    Args:
        scores: (A, C) in [0, 1].
        boxes: (A, 4).
        least_score: cells below it show nothing.
        nms_iou: a cell is dropped for a better one of its class whose box overlaps it by more.
        most: how many are kept.

    Returns:
        Indices, at most ``most``.
    """
    best = scores.max(axis=1, initial=0.0)
    candidates = np.flatnonzero(best >= least_score)
    candidates = candidates[np.argsort(-best[candidates], kind="stable")]
    classes = scores[candidates].argmax(axis=1)
    return candidates[suppress(boxes[candidates], nms_iou, classes, most)]


def suppress(
    boxes: Array,
    most_iou: float,
    classes: Optional[NDArray[np.intp]] = None,
    most: Optional[int] = None,
) -> NDArray[np.intp]:
    """Indices of the boxes that no better one of their class overlaps by more than ``most_iou``.

    Args:
        boxes: (n, 4), the best first.
        most_iou: overlap that two boxes may have.
        classes: (n,); None takes all as one.
        most: how many are kept; None keeps all.
    """
    most = len(boxes) if most is None else most
    alive = np.ones(len(boxes), dtype=np.bool_)
    kept: list[int] = []
    for start in range(0, len(boxes), NMS_BLOCK):
        block = slice(start, start + NMS_BLOCK)
        clash = box_ious(boxes[block], boxes) > most_iou
        if classes is not None:
            clash &= classes[block, None] == classes
        while len(kept) < most and (ahead := alive[block]).any():
            index = int(ahead.argmax())
            kept.append(start + index)
            alive &= ~clash[index]
            alive[start + index] = False
    return np.array(kept, dtype=np.intp)


def box_ious(first: Array, second: Array) -> Array:
    """IoU of all pairs of boxes: (n, 4) and (m, 4) → (n, m)."""
    one, other = first.T[..., None], second.T
    sides = np.minimum(one[2:], other[2:, None]) - np.maximum(one[:2], other[:2, None])
    np.maximum(sides, 0.0, out=sides)
    shared = sides[0] * sides[1]
    union = _areas(other) + _areas(one) - shared
    return np.asarray(shared / np.maximum(union, TINY), dtype=np.float32)


def _areas(edges: Array) -> Array:
    """Of boxes (4, …)."""
    width, height = np.maximum(edges[2:] - edges[:2], 0.0)
    return np.asarray(width * height)


def cut_to_boxes(logits: Array, boxes: Array, margins: Array, edge: float) -> Array:
    """Masks without what lies outside their boxes.

    Outside, a foreground logit is as far below a mask's edge as it was above, so that interpolation puts the
    edge on the cut.

    Args:
        logits: (S, h, w), over the whole input.
        boxes: (S, 4).
        margins: (S,) or (), what boxes are enlarged by, each side, as a fraction of their own.
        edge: logit above which a cell is foreground.
    """
    cut = np.minimum(np.float32(2.0 * edge) - logits, logits)
    for mask, whole, (down, across) in zip(cut, logits, _inside(boxes, margins, logits.shape[1:])):
        mask[down, across] = whole[down, across]
    return cut


def find_tight_boxes(
    logits: Array, boxes: Array, margins: Array, edge: float, content: tuple[int, int]
) -> tuple[Array, NDArray[np.bool_]]:
    """Tight boxes (S, 4) of masks that are cut to their boxes, see ``cut_to_boxes``, without the padding
    beyond ``content`` (rows, columns); and (S,) whether a mask has any cell."""
    found = []
    for mask, (down, across) in zip(logits, _inside(boxes, margins, content, logits.shape[1:])):
        shown = (mask[down, across] > edge).view(np.uint8)
        x, y, width, height = cv2.boundingRect(shown) if shown.size else (0, 0, 0, 0)
        found.append((across.start + x, down.start + y, width, height) if width else (0, 0, 0, 0))
    return as_fractions(found, logits.shape[1:])


def _inside(
    boxes: Array, margins: Array, content: tuple[int, ...], grid: Optional[tuple[int, ...]] = None
) -> Iterator[tuple[slice, slice]]:
    """The rows and columns of ``content`` whose cells' centres lie in each box, of a ``grid`` over the whole
    input, by default as large."""
    height, width = grid or content
    rows, columns = _cell_centres(height)[: content[0]], _cell_centres(width)[: content[1]]
    room = (np.reshape(margins, (-1, 1)) * (boxes[:, 2:] - boxes[:, :2])).tolist()
    for (x0, y0, x1, y1), (beside, above) in zip(boxes.tolist(), room):
        across = slice(bisect_left(columns, x0 - beside), bisect_right(columns, x1 + beside))
        yield slice(bisect_left(rows, y0 - above), bisect_right(rows, y1 + above)), across


@lru_cache(maxsize=8)
def _cell_centres(count: int) -> list[float]:
    """As fractions of the input."""
    centres: list[float] = ((np.arange(count) + 0.5) / count).tolist()
    return centres


def tight_boxes(masks: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """Boxes (S, 4) of masks (S, h, w) over the whole input, and (S,) whether a mask has any cell."""
    return as_fractions([cv2.boundingRect(mask.view(np.uint8)) for mask in masks], masks.shape[1:])


def as_fractions(
    boxes: Sequence[tuple[int, int, int, int]], grid: tuple[int, ...]
) -> tuple[Array, NDArray[np.bool_]]:
    """S boxes in cells (column, row, width, height) as fractions of a grid (rows, columns): (S, 4), and (S,)
    whether a box has any cell."""
    rows, columns = grid
    edges = [
        (x / columns, y / rows, 1.0 - (columns - x - width) / columns, 1.0 - (rows - y - height) / rows)
        for x, y, width, height in boxes
    ]
    return np.array(edges, dtype=np.float32).reshape(-1, 4), np.array(
        [box[2] > 0 for box in boxes], dtype=np.bool_
    )


def move_boxes(boxes: Array, start: Array, end: Array) -> Array:
    """Boxes (S, 4) after the motion that takes the boxes ``start`` (S, 4) to ``end`` (S, 4)."""
    growth, old, new = _motion(start, end)
    corners = boxes.reshape(-1, 2, 2)
    moved = (corners - old[:, None]) * growth[:, None] + new[:, None]
    return np.asarray(moved.reshape(-1, 4), dtype=np.float32)


def move_kernels(kernels: Array, start: Array, end: Array) -> Array:
    """Kernels (S, D + 5) whose place follows the motion that takes the boxes ``start`` to ``end``, (S, 4).

    The place is a·x² + b·x + c and the same in y; x becomes x / growth + shift.
    """
    growth, old, new = _motion(start, end)
    shrink = 1.0 / growth
    shift = (old - 0.5) - (new - 0.5) * shrink
    squares, linear = kernels[:, -5:-3].astype(np.float64), kernels[:, -3:-1].astype(np.float64)
    moved = kernels.copy()
    moved[:, -5:-3] = squares * shrink**2
    moved[:, -3:-1] = (2.0 * squares * shift + linear) * shrink
    moved[:, -1] = kernels[:, -1] + (squares * shift**2 + linear * shift).sum(axis=1)
    return moved


def _motion(start: Array, end: Array) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Growth (S, 2), within a factor of two, and the old and new centres (S, 2)."""
    first, last = start.astype(np.float64), end.astype(np.float64)
    sides = [np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6) for boxes in (first, last)]
    growth = np.clip(sides[1] / sides[0], 1.0 / MAX_GROWTH, MAX_GROWTH)
    return growth, (first[:, :2] + first[:, 2:]) / 2.0, (last[:, :2] + last[:, 2:]) / 2.0
