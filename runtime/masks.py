"""From mask logits at the network's resolution to masks in the source frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import ceil, floor
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Arrays
from mobilevis.runtime.letterbox import Letterbox
from mobilevis.runtime.results import Instance, Mask
from mobilevis.runtime.upsampling import Line, frame_line, interpolate, make_line

Box = tuple[int, int, int, int]
# From this score on an instance takes cells from others of its class. A fainter one is often a second look at
# the same object: with rivals from 0.001 on AP fell from 21.6 to 14.0, from 0.1 on to 19.7; here it stays.
PARTED_SCORE = 0.3
# Masks that overlap by so much are one object's, found twice, and stay: with these parted too, persons' AP50
# fell from 52.7 to 50.7. So AP is 21.7, of persons 21.2; with nothing parted 21.6 and 20.9.
PARTED_IOU = 0.4


def logit(probability: float) -> float:
    """The mask logit at which the sigmoid is ``probability``."""
    return float(np.log(probability / (1.0 - probability)))


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probability of each logit, any shape; by tanh, which overflows nowhere."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits), dtype=np.float32)


def soft_iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Σpq / Σ(p + q − pq) of all pairs of masks of probabilities: (n, P) and (m, P) → (n, m), in [0, 1]."""
    product = first @ second.T
    union = first.sum(axis=1)[:, None] + second.sum(axis=1)[None] - product
    return np.asarray(product / np.maximum(union, 1e-6), dtype=np.float32)


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.float32]:
    """IoU of all pairs: (n, h, w) and (m, h, w) → (n, m) in [0, 1]; 0 for two empty masks."""
    pixels = first.shape[1] * first.shape[2]
    flat = (masks.reshape(len(masks), pixels).astype(np.float32) for masks in (first, second))
    return soft_iou(*flat)


def part_masks(
    logits: Arrays,
    classes: NDArray[np.integer],
    scores: NDArray[np.float32],
    threshold: float,
    boxes: Optional[Sequence[Box]] = None,
) -> NDArray[np.float32]:
    """Give each cell that several instances of a class claim to the one whose logit is highest.

    The others have the highest one mirrored at the threshold there, if not less: no two logits add up to more
    than twice the threshold, so that interpolated masks do not share a pixel either. That changes cells that
    both of a pair claim or border on, pair by pair in the order of the rows.

    Args:
        logits: S, each (h, w) float32.
        classes: (S,) class indices.
        scores: (S,) in [0, 1]; instances below ``PARTED_SCORE`` neither take nor lose cells, and of a pair
            whose IoU is ``PARTED_IOU`` or more neither takes the other's.
        threshold: logit above which a cell is foreground.
        boxes: S, column, row, width and height of cells that hold each mask; None finds them.

    Returns:
        (S, h, w) float32; equal logits stay.
    """
    parted = np.array(logits, dtype=np.float32)
    masks = parted > threshold
    if boxes is None:
        boxes = [_tight_box(mask) for mask in masks]
    for pair in combinations(np.flatnonzero(scores >= PARTED_SCORE).tolist(), 2):
        one, other = pair
        shared = _border(boxes[one], boxes[other]) if classes[one] == classes[other] else None
        if shared is None or _overlap_much(masks[one], masks[other]):
            continue
        for loser, winner in (pair, pair[::-1]):
            own, highest = parted[loser][shared], parted[winner][shared]
            np.copyto(own, np.minimum(own, 2.0 * threshold - highest), where=own < highest)
    return parted


def _overlap_much(first: Mask, second: Mask) -> bool:
    return bool(np.count_nonzero(first & second) >= PARTED_IOU * np.count_nonzero(first | second))


def _border(first: Box, second: Box) -> Optional[tuple[slice, slice]]:
    """Rows and columns of the cells in both of two boxes (x, y, width, height), each grown by a cell."""
    x0, y0 = (max(first[axis], second[axis], 1) - 1 for axis in (0, 1))
    x1, y1 = (min(box[axis] + box[axis + 2] for box in (first, second)) + 1 for axis in (0, 1))
    is_empty = not first[2] or not second[2] or x0 >= x1 or y0 >= y1
    return None if is_empty else (slice(y0, y1), slice(x0, x1))


def to_frame(
    logits: NDArray[np.float32],
    letterbox: Letterbox,
    stride: int,
    threshold: float,
    cells: Optional[Box] = None,
) -> Optional[tuple[Box, Mask]]:
    """Undo the letterbox for one mask: bilinear interpolation of the logits, then the threshold.

    Only the part of the frame that foreground cells can reach is interpolated: 20 whole 720p masks would
    cost more than the network's decoder.

    Args:
        logits: (h, w) float32, the cells of ``letterbox.content_cells(stride)``.
        letterbox: where the source frame lies in the input.
        stride: input pixels for each cell.
        threshold: logit above which a pixel is foreground.
        cells: column, row, width and height of cells that hold the foreground; None finds them.

    Returns:
        The tight box (x0, y0, x1, y1) and the mask inside it; None if no pixel is foreground.
    """
    left, top, columns, rows = cells or _tight_box(logits > threshold)
    if rows == 0:
        return None
    (height, width), (scale_y, scale_x) = letterbox.frame_size, letterbox.cells_per_pixel(stride)
    y0, y1 = _reach(top, top + rows - 1, scale_y, height)
    x0, x1 = _reach(left, left + columns - 1, scale_x, width)
    down, across = frame_line(height, logits.shape[0], scale_y), frame_line(width, logits.shape[1], scale_x)
    return _above((x0, y0, x1, y1), logits, down, across, threshold)


def box_to_frame(
    logits: NDArray[np.float32], box: NDArray[np.float32], letterbox: Letterbox, threshold: float
) -> Optional[tuple[Box, Mask]]:
    """Undo crop and letterbox for one mask that was predicted inside a box, as R-CNNs do.

    Args:
        logits: (m, m) float32; the cells share out the box evenly.
        box: (4,) x0, y0, x1, y1 as fractions of the network's input; may leave it.
        letterbox: where the source frame lies in the input.
        threshold: logit above which a pixel is foreground.

    Returns:
        The tight box (x0, y0, x1, y1) and the mask inside it; None if no pixel is foreground.
    """
    scale_y, scale_x = letterbox.cells_per_pixel(1)
    left, right = (float(box[i]) * letterbox.input_size[1] / scale_x for i in (0, 2))
    top, bottom = (float(box[i]) * letterbox.input_size[0] / scale_y for i in (1, 3))
    # The pixels whose centres lie in the box.
    x0, x1 = (int(np.clip(np.ceil(edge - 0.5), 0, letterbox.frame_size[1])) for edge in (left, right))
    y0, y1 = (int(np.clip(np.ceil(edge - 0.5), 0, letterbox.frame_size[0])) for edge in (top, bottom))
    if x0 >= x1 or y0 >= y1:
        return None
    cells_down, cells_across = logits.shape
    rows = make_line(y1 - y0, cells_down, cells_down / (bottom - top), top - y0)
    columns = make_line(x1 - x0, cells_across, cells_across / (right - left), left - x0)
    placed = _above((0, 0, x1 - x0, y1 - y0), logits, rows, columns, threshold)
    if placed is None:
        return None
    (left_edge, top_edge, right_edge, bottom_edge), mask = placed
    return (x0 + left_edge, y0 + top_edge, x0 + right_edge, y0 + bottom_edge), mask


def _above(
    region: Box, logits: NDArray[np.float32], rows: Line, columns: Line, threshold: float
) -> Optional[tuple[Box, Mask]]:
    """The pixels of a region whose interpolated logit is above the threshold, in their tight box."""
    mask = interpolate(logits, rows, columns, region) > threshold
    x, y, width, height = _tight_box(mask)
    if height == 0:
        return None
    x0, y0 = region[0] + x, region[1] + y
    return (x0, y0, x0 + width, y0 + height), mask[y : y + height, x : x + width]


def _tight_box(mask: Mask) -> Box:
    """Column, row, width and height of what a mask (h, w) shows; all 0 where that is nothing."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return x, y, width, height


def instances_in_frame(
    ids: Sequence[int],
    classes: Sequence[int],
    scores: NDArray[np.float32],
    logits: Arrays,
    letterbox: Letterbox,
    stride: int,
    threshold: float,
    least_score: float = 0.0,
    boxes: Optional[Sequence[Box]] = None,
) -> tuple[Instance, ...]:
    """The instances of a frame, by falling score; those whose masks are empty there are left out.

    Args:
        ids: (S,) identities, from 1.
        classes: (S,) class indices.
        scores: (S,) in [0, 1] but for rounding.
        logits: S, each (h, w) float32, see ``to_frame``, as are the next three.
        letterbox: where the source frame lies in the input.
        stride: input pixels for each cell.
        threshold: logit above which a pixel is foreground.
        least_score: instances below it are left out.
        boxes: S, see ``to_frame``; None finds them.
    """
    instances = []
    for index in np.argsort(-scores, kind="stable").tolist():
        score = float(scores[index])
        if score < least_score:
            break
        cells = None if boxes is None else boxes[index]
        placed = to_frame(logits[index], letterbox, stride, threshold, cells)
        if placed is not None:
            box, mask = placed
            identity, category = int(ids[index]), int(classes[index])
            instances.append(Instance(identity, category, min(score, 1.0), box, mask, letterbox.frame_size))
    return tuple(instances)


def _reach(first: int, last: int, scale: float, size: int) -> tuple[int, int]:
    """Pixels [start, end) whose two neighbouring cells include one of the cells first … last."""
    start = floor((first - 0.5) / scale - 0.5)
    end = ceil((last + 1.5) / scale - 0.5) + 1
    return min(max(start, 0), size - 1), max(min(end, size), 1)
