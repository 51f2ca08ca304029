"""What the client does with a dense model's cells: choose them, cut their masks, move their kernels' place.

Boxes are x0, y0, x1, y1 as fractions of the network's input. A kernel's last five numbers are the factors of
(x², y², x, y, 1), coordinates being fractions of the input from its centre.
"""

from __future__ import annotations

from typing import Optional

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import TINY, Array

PLACE_CHANNELS = 5  # of kernels and mask features, the last ones
MAX_CANDIDATES = 1000  # by falling score: the time of NMS is bounded, whatever a network puts out
NMS_BLOCK = 64  # boxes whose overlaps are found at once: most frames need one block, no frame all pairs
BOX_MARGIN = 0.08  # of a fresh box, each side
# A reused kernel's box is where its object was a frame ago: cut as closely as a fresh one, the mask of what
# moves by 12 % of its side a frame loses its front, its box shrinks, and in eight frames nothing is left.
REUSED_MARGIN = 0.25
# A mask that flickers must not shrink or blow up the place that it is looked for in.
MAX_GROWTH = 2.0


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
    # Of 4,200 cells some 30 score enough: finding these first takes a fifth of each cell's best.
    above = np.zeros(len(scores), dtype=np.bool_)
    above[np.flatnonzero(scores >= least_score) // scores.shape[1]] = True
    candidates = np.flatnonzero(above)
    order = np.argsort(-scores[candidates].max(axis=1), kind="stable")[:MAX_CANDIDATES]
    candidates = candidates[order]
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
        for index, row in enumerate(clash, start):
            if len(kept) == most:
                return np.array(kept, dtype=np.intp)
            if alive[index]:
                kept.append(index)
                alive[row] = False
    return np.array(kept, dtype=np.intp)


def box_ious(first: Array, second: Array) -> Array:
    """IoU of all pairs of boxes: (n, 4) and (m, 4) → (n, m)."""
    (x0, y0, x1, y1), (u0, v0, u1, v1) = first.T[..., None], second.T
    width, height = np.minimum(x1, u1) - np.maximum(x0, u0), np.minimum(y1, v1) - np.maximum(y0, v0)
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    own, areas = (np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1) for boxes in (first, second))
    return np.asarray(shared / np.maximum(areas + own[:, None] - shared, TINY), dtype=np.float32)


def cut_to_boxes(logits: Array, boxes: Array, margins: Array) -> Array:
    """Masks without what lies outside their boxes.

    Outside, a foreground logit changes its sign, so that interpolation puts the mask's edge on the cut.

    Args:
        logits: (S, h, w), over the whole input.
        boxes: (S, 4).
        margins: (S,) or (), what boxes are enlarged by, each side, as a fraction of their own.
    """
    _, height, width = logits.shape
    room = np.reshape(margins, (-1, 1)) * (boxes[:, 2:] - boxes[:, :2])
    low, high = boxes[:, :2] - room, boxes[:, 2:] + room
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    columns = (x >= low[:, :1]) & (x <= high[:, :1])
    rows = (y >= low[:, 1:]) & (y <= high[:, 1:])
    cut = np.copysign(logits, np.float32(-1.0))
    for mask, whole, down, across in zip(cut, logits, rows, columns):
        inside = _span(down), _span(across)
        mask[inside] = whole[inside]
    return cut


def _span(inside: NDArray[np.bool_]) -> slice:
    """Where a line's only run of True is."""
    start = int(inside.argmax())
    return slice(start, start + np.count_nonzero(inside))


def find_foreground(logits: Array, content: tuple[int, int], threshold: float) -> NDArray[np.bool_]:
    """Masks (S, h, w) of logits over the whole input; the padding, beyond ``content``'s rows and columns,
    shows nothing."""
    masks = logits > threshold
    masks[:, content[0] :], masks[:, :, content[1] :] = False, False
    return np.asarray(masks, dtype=np.bool_)


def tight_boxes(masks: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """Boxes (S, 4) of masks (S, h, w) over the whole input, and (S,) whether a mask has any cell."""
    columns, rows = np.asarray(masks.any(axis=1)), np.asarray(masks.any(axis=2))
    held = np.asarray(rows.any(axis=1))
    spans = []
    for line in (columns, rows):
        length = line.shape[1]
        spans.append((line.argmax(axis=1) / length, 1.0 - line[:, ::-1].argmax(axis=1) / length))
    (x0, x1), (y0, y1) = spans
    return np.stack([x0, y0, x1, y1], axis=1).astype(np.float32), held


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
