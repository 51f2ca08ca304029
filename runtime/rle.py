"""COCO's compressed run-length encoding of masks, in NumPy: what results files carry.

Runs are counted down the columns, zeros first. The string holds each run as its difference to the run two
before it, in groups of five bits, least significant first, with a continuation bit, offset by 48
(``rleToString`` in cocodataset/cocoapi). pycocotools does the same; a board should need no compiler for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 1 << 28  # 16K x 16K: refuse to allocate for more
MAX_GROUPS = 7  # five-bit groups that hold any run of up to 2**31 pixels, with its sign

Rle = dict[str, Any]


def encode(mask: NDArray[np.bool_]) -> Rle:
    """Encode a full-frame mask, (H, W) bool, as ``{"size": [H, W], "counts": str}``."""
    height, width = mask.shape
    return encode_in_box(mask, (0, 0, width, height), (height, width))


def encode_in_box(
    box_mask: NDArray[np.bool_], box: tuple[int, int, int, int], frame_size: tuple[int, int]
) -> Rle:
    """Encode a mask known inside its box only, without making the full-frame mask.

    Args:
        box_mask: (y1 - y0, x1 - x0) bool.
        box: (x0, y0, x1, y1) in pixels of the frame, ends exclusive.
        frame_size: (H, W).
    """
    height = frame_size[0]
    x0, y0 = box[:2]
    columns = np.pad(box_mask.T.astype(np.int8), ((0, 0), (1, 1)))
    edges = np.diff(columns, axis=1)
    column, row = np.nonzero(edges == 1)
    starts = (x0 + column) * height + y0 + row
    column, row = np.nonzero(edges == -1)
    ends = (x0 + column) * height + y0 + row
    return _encode_runs(starts, ends, frame_size)


def compress(rle: Mapping[str, Any]) -> Rle:
    """The mask with its counts as a string, whichever way they were written; no pixel is touched.

    Raises:
        ValueError: sizes or runs are not those of a mask.
    """
    counts, size = run_lengths(rle), (rle["size"][0], rle["size"][1])
    if counts[1:].all():
        return {"size": [*size], "counts": _pack(counts)}
    starts, ends = foreground(rle)  # of runs of no length
    filled = starts < ends
    return _encode_runs(starts[filled], ends[filled], size)


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask, (H, W) bool.

    Raises:
        ValueError: sizes or runs are not those of a mask.
    """
    counts = run_lengths(rle)
    height, width = rle["size"]
    values = np.arange(counts.size) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


def sample(rle: Mapping[str, Any], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
    """The mask at some rows and columns only, (rows, columns) bool, without making the others."""
    ends = np.cumsum(run_lengths(rle))
    positions = rows[:, None] + columns[None, :] * rle["size"][0]
    return np.asarray(np.searchsorted(ends, positions, side="right") % 2 == 1)


def foreground(rle: Mapping[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the foreground's runs, in column-major pixel positions, ends exclusive.

    Raises:
        ValueError: the record is malformed.
    """
    counts = run_lengths(rle)
    ends = np.cumsum(counts)[1::2]
    return ends - counts[1::2], ends


def area(rle: Mapping[str, Any]) -> int:
    """Number of mask pixels."""
    return int(run_lengths(rle)[1::2].sum())


def run_lengths(rle: Mapping[str, Any]) -> NDArray[np.int64]:
    """The run lengths, zeros first, checked to fill the frame exactly.

    Raises:
        ValueError: the record is malformed.
    """
    size, packed = rle.get("size"), rle.get("counts")
    if (
        not isinstance(size, (list, tuple))
        or len(size) != 2
        or any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in size)
        or size[0] * size[1] > MAX_PIXELS
    ):
        raise ValueError(f"RLE size {size} is not [height, width]")
    counts = _unpack(packed) if isinstance(packed, (str, bytes)) else _as_counts(packed)
    if counts.size == 0 or counts.min() < 0 or int(counts.sum()) != size[0] * size[1]:
        raise ValueError(f"RLE runs do not fill {size[0]}x{size[1]}")
    return counts


def _as_counts(counts: Any) -> NDArray[np.int64]:
    """Uncompressed counts, as COCO's crowd annotations hold them."""
    if not isinstance(counts, list) or any(not isinstance(n, int) or abs(n) > MAX_PIXELS for n in counts):
        raise ValueError("RLE counts are neither a string nor a list of integers")
    return np.asarray(counts, dtype=np.int64)


def _encode_runs(starts: NDArray[np.int64], ends: NDArray[np.int64], frame_size: tuple[int, int]) -> Rle:
    height, width = frame_size
    if starts.size:
        # A run that reaches the bottom of one column and the top of the next is one run.
        apart = starts[1:] != ends[:-1]
        starts = starts[np.concatenate([[True], apart])]
        ends = ends[np.concatenate([apart, [True]])]
    bounds = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], bounds, [height * width]]))
    if counts.size > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return {"size": [height, width], "counts": _pack(counts)}


def _pack(counts: NDArray[np.int64]) -> str:
    values = counts.astype(np.int64)
    values[3:] -= counts[1:-2]
    groups = np.zeros((values.size, MAX_GROUPS), dtype=np.uint8)
    used = np.zeros((values.size, MAX_GROUPS), dtype=bool)
    open_ = np.ones(values.size, dtype=bool)
    for position in range(MAX_GROUPS):
        group = values & 0x1F
        values = values >> 5
        more = np.where(group & 0x10, values != -1, values != 0)
        groups[:, position] = group + np.where(more, 0x20, 0) + 48
        used[:, position] = open_
        open_ &= more
        if not open_.any():
            break
    return groups[used].tobytes().decode("ascii")


def _unpack(packed: str | bytes) -> NDArray[np.int64]:
    try:
        data = packed.encode("ascii") if isinstance(packed, str) else packed
    except UnicodeEncodeError as error:
        raise ValueError("RLE string holds characters that are no RLE") from error
    groups = np.frombuffer(data, dtype=np.uint8).astype(np.int64) - 48
    if groups.size == 0 or groups.min() < 0 or groups.max() > 0x3F or groups[-1] & 0x20:
        raise ValueError("RLE string is empty, cut off or holds characters that are no RLE")
    last = np.flatnonzero(groups & 0x20 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    position = np.arange(groups.size) - np.repeat(first, last - first + 1)
    if position.max() >= MAX_GROUPS:
        raise ValueError("RLE string holds a run that is longer than any mask")
    values = np.add.reduceat((groups & 0x1F) << (5 * position), first)
    negative = groups[last] & 0x10 != 0
    values -= np.where(negative, 1 << (5 * (position[last] + 1)), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
