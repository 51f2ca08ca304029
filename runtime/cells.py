"""What the client does with a dense model's cells: choose them, cut their masks, move their kernels' place.

Boxes are x0, y0, x1, y1 as fractions of the network's input. A kernel's last five numbers are the factors of
(x², y², x, y, 1), coordinates being fractions of the input from its centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array

PLACE_CHANNELS = 5  # of kernels and mask features, the last ones
MAX_CANDIDATES = 1000  # by falling score: the time of NMS is bounded, whatever a network puts out
# Cells of one class whose boxes overlap by so much show one object: together they know its mask better than
# the best of them alone, +0.3 AP and +1 AP75 on 143 pictures of COCO; at 0.7 AP50 loses 0.8.
JOIN_IOU = 0.8
BOX_MARGIN = 0.08  # of a fresh box, each side
# A reused kernel's box is where its object was a frame ago: cut as closely as a fresh one, the mask of what
# moves by 12 % of its side a frame loses its front, its box shrinks, and in eight frames nothing is left.
REUSED_MARGIN = 0.25
# A mask that flickers must not shrink or blow up the place that it is looked for in.
MAX_GROWTH = 2.0


@dataclass(frozen=True)
class Choice:
    """The cells that show an object, by falling score, and what each object's mean is taken over.

    Attributes:
        cells: (S,) indices.
        candidates: (K,) indices of all cells that may show something.
        shares: (S, K) ≥ 0, of each candidate in each object's mean; rows sum to 1.
    """

    cells: NDArray[np.int64]
    candidates: NDArray[np.int64]
    shares: Array

    def join(self, values: Array) -> Array:
        """What all cells say (A, n) → each object's mean over its cells, (S, n)."""
        return np.asarray(self.shares @ values[self.candidates], dtype=np.float32)


def choose_cells(scores: Array, boxes: Array, least_score: float, nms_iou: float, most: int) -> Choice:
    """Cells that show an object, by falling score of their best class; class-wise non-maximum suppression.

    Args:
        scores: (A, C) in [0, 1].
        boxes: (A, 4).
        least_score: cells below it show nothing.
        nms_iou: a cell is dropped for a better one of its class whose box overlaps it by more.
        most: how many are kept.
    """
    best = scores.max(axis=1)
    candidates = np.flatnonzero(best >= least_score)
    candidates = candidates[np.argsort(-best[candidates], kind="stable")][:MAX_CANDIDATES]
    best, classes, boxes = best[candidates], scores[candidates].argmax(axis=1), boxes[candidates]
    alive = np.ones(len(candidates), dtype=bool)
    kept: list[int] = []
    shares: list[Array] = []
    for index in range(len(candidates)):
        if not alive[index]:
            continue
        overlap = np.where(classes == classes[index], box_iou(boxes[index], boxes), 0.0)
        overlap[index] = 1.0  # also where the box is empty
        kept.append(index)
        shares.append(np.where(overlap >= JOIN_IOU, best, 0.0))
        if len(kept) == most:
            break
        alive[overlap > nms_iou] = False
    found = np.array(shares, dtype=np.float32).reshape(len(kept), len(candidates))
    return Choice(candidates[kept], candidates, found / found.sum(axis=1, keepdims=True))


def box_iou(box: Array, others: Array) -> Array:
    """IoU of a box (4,) with others (n, 4): (n,)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    area = np.prod(np.maximum(others[:, 2:] - others[:, :2], 0.0), axis=1)
    own = np.prod(np.maximum(box[2:] - box[:2], 0.0))
    return np.asarray(shared / np.maximum(area + own - shared, np.finfo(np.float32).tiny), dtype=np.float32)


def cut_to_boxes(logits: Array, boxes: Array, margin: float) -> Array:
    """Masks without what lies outside their boxes.

    Outside, a foreground logit changes its sign, so that interpolation puts the mask's edge on the cut.

    Args:
        logits: (S, h, w), over the whole input.
        boxes: (S, 4).
        margin: what boxes are enlarged by, each side, as a fraction of their own.
    """
    _, height, width = logits.shape
    room = margin * (boxes[:, 2:] - boxes[:, :2])
    low, high = boxes[:, :2] - room, boxes[:, 2:] + room
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    columns = (x >= low[:, :1]) & (x <= high[:, :1])
    rows = (y >= low[:, 1:]) & (y <= high[:, 1:])
    inside = rows[:, :, None] & columns[:, None, :]
    return np.asarray(np.where(inside, logits, -np.abs(logits)), dtype=np.float32)


def find_foreground(logits: Array, content: tuple[int, int], threshold: float) -> NDArray[np.bool_]:
    """Masks (S, h, w) of logits over the whole input; the padding, beyond ``content``'s rows and columns,
    shows nothing."""
    masks = logits > threshold
    masks[:, content[0] :], masks[:, :, content[1] :] = False, False
    return np.asarray(masks, dtype=np.bool_)


def tight_boxes(masks: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """Boxes (S, 4) of masks (S, h, w) over the whole input, and (S,) whether a mask has any cell."""
    spans = []
    for line in (np.asarray(masks.any(axis=1)), np.asarray(masks.any(axis=2))):
        length = line.shape[1]
        spans.append((line.argmax(axis=1) / length, 1.0 - line[:, ::-1].argmax(axis=1) / length))
    (x0, x1), (y0, y1) = spans
    held = np.asarray(masks.any(axis=(1, 2)))
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
