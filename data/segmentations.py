"""One segmentation of a file, in any of COCO's three spellings, as compressed RLE."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevis.data.records import Record
from mobilevis.runtime import rle
from mobilevis.runtime.errors import missing_extra
from mobilevis.runtime.rle import Rle

# pycocotools walks the outline five times finer than pixels, in memory: 20,000 edges across a frame of
# 16384 pixels overflow its counters. The longest of COCO's and LVIS's are some thousand pixels.
MAX_OUTLINE = 1 << 20


def read_segmentation(raw: Any, size: tuple[int, int], record: Record, name: str = "segmentation") -> Rle:
    """Parse compressed RLE, uncompressed RLE or polygons.

    Args:
        raw: the JSON value.
        size: (height, width) that the mask must have.
        record: the record that holds it, for the error message.
        name: of the value in that record.

    Raises:
        UserError: it is none of the three, or of another size.
    """
    if isinstance(raw, list):
        return _polygons(raw, size, record, name)
    if not isinstance(raw, dict):
        raise record.fault(f"{name} is neither RLE nor polygons")
    if raw.get("size") != list(size):
        raise record.fault(f"{name} is of size {raw.get('size')!r:.60}, not {list(size)}")
    segmentation = {"size": list(size), "counts": raw.get("counts")}
    try:
        if isinstance(segmentation["counts"], str):
            rle.run_lengths(segmentation)
            return segmentation
        return rle.compress(segmentation)
    except ValueError as error:
        raise record.fault(f"{name}: {error}") from error


def _polygons(raw: list[Any], size: tuple[int, int], record: Record, name: str) -> Rle:
    """The union of polygons, rasterised by COCO's own code: evaluators must see its very pixels."""
    height, width = size
    # The rasteriser allocates in proportion to an edge's length: points far outside are no annotation.
    reach = 2 * max(height, width)
    if not raw:
        raise record.fault(f"{name} has no polygon")
    outline = 0.0
    for polygon in raw:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise record.fault(f"{name}: a polygon is not a list of at least three x, y pairs")
        for value in polygon:
            if abs(record.check_number(value, f"{name}: polygon coordinate")) > reach:
                raise record.fault(f"{name}: polygon coordinate {value} is far outside {height}x{width}")
        outline += _outline(polygon)
        if outline > MAX_OUTLINE:
            raise record.fault(f"{name}: the outline is more than {MAX_OUTLINE} pixels long")
    record.spend_outline(outline)
    try:
        from pycocotools import mask
    except ImportError as error:
        raise missing_extra("pycocotools", "data") from error
    merged = mask.merge(mask.frPyObjects(raw, height, width))
    return {"size": [height, width], "counts": merged["counts"].decode("ascii")}


def _outline(polygon: list[float]) -> float:
    """Length of the closed polygon in steps of a pixel in x or y."""
    xs, ys = polygon[::2], polygon[1::2]
    before = zip(xs[-1:] + xs, ys[-1:] + ys)
    return sum(max(abs(x - x0), abs(y - y0)) for x, y, (x0, y0) in zip(xs, ys, before))


def bounding_box(segmentation: Rle) -> tuple[float, float, float, float]:
    """(x, y, width, height) of the mask in pixels; zeros where it is empty."""
    return measure(segmentation)[1]


def measure(segmentation: Rle) -> tuple[float, tuple[float, float, float, float]]:
    """Number of the mask's pixels, and its bounding box."""
    starts, ends = rle.foreground(segmentation)
    return float((ends - starts).sum()), _box(starts, ends, segmentation["size"][0])


def _box(
    starts: NDArray[np.int64], ends: NDArray[np.int64], height: int
) -> tuple[float, float, float, float]:
    filled = starts < ends
    first, last = starts[filled], ends[filled] - 1
    if not first.size:
        return 0.0, 0.0, 0.0, 0.0
    left, right = int(first[0]) // height, int(last[-1]) // height
    if (first // height != last // height).any():  # a run over the end of a column has both its borders
        top, bottom = 0, height - 1
    else:
        top, bottom = int((first % height).min()), int((last % height).max())
    return float(left), float(top), float(right + 1 - left), float(bottom + 1 - top)
