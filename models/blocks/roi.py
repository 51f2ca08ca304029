"""RoIAlign (He et al., Mask R-CNN, 2017, §3) of axis-aligned boxes as two matrix products for each box.

Bilinear sampling on a grid is separable: one matrix weighs the rows of the features, another the columns.
Both depend on the box alone. Engines for phones have neither RoIAlign nor a fast gather, but all have
products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLES = 2  # in each direction of a bin, as QueryInst and Mask R-CNN have
STRIDE = 4  # of the finest level


def interpolation_weights(start: Tensor, end: Tensor, bins: int, cells: int) -> Tensor:
    """How much each cell of one axis adds to each bin of each box.

    Up to a cell outside, samples read the border, as torchvision's do (``aligned=True``), and over the next
    cell they fade to 0. Torchvision's are 0 there at once: a step, at which rounding of a box (1e-6) decides
    over a row of its crop, so that engines disagree about a mask.

    Args:
        start: (B, R), first edge of the boxes, in cells.
        end: (B, R), last edge, greater than ``start``.
        bins: bins of a box.
        cells: cells of the axis.

    Returns:
        (B, R, bins, cells); a row sums to 1, or to less where samples lie more than a cell outside.
    """
    size = ((end - start) * (1.0 / bins)).unsqueeze(2)
    origin = start.unsqueeze(2) - 0.5
    # The first sample of every bin, then the second: all in one row of operators.
    shares = (np.arange(SAMPLES)[:, None] + 0.5) / SAMPLES
    points = origin + size * _constant((np.arange(bins) + shares).reshape(-1), start)  # (B, R, SAMPLES·bins)
    inside = (points + 2.0).clamp(0.0, 1.0) * (cells + 1.0 - points).clamp(0.0, 1.0)
    distance = (points.clamp(0.0, cells - 1.0).unsqueeze(3) - _constant(np.arange(cells), start)).abs()
    weights = (1.0 - distance).relu() * inside.unsqueeze(3)
    samples = [weights[:, :, i * bins : (i + 1) * bins] for i in range(SAMPLES)]
    return sum(samples[1:], samples[0]) * (1.0 / SAMPLES)


def _constant(values: NDArray[Any], like: Tensor) -> Tensor:
    """Numbers that an exported graph holds as data, on the device and in the dtype of ``like``."""
    return torch.from_numpy(values.astype(np.float32)).to(like)


def roi_align(features: Tensor, boxes: Tensor, bins: int, chosen: Optional[Tensor] = None) -> Tensor:
    """Crop boxes from features to bins × bins.

    Args:
        features: (B, H, W, C), channels last.
        boxes: (B, R, 4), x0, y0, x1, y1 as fractions of width and height; may leave the features, which
            count as 0 there.
        bins: of a crop, down and across.
        chosen: (B, R), a factor for each crop, or None.

    Returns:
        (B, R, bins·bins, C), bins row by row.
    """
    batch, height, width, channels = features.shape
    count = boxes.shape[1]
    x0, y0, x1, y1 = boxes.unbind(2)
    rows = interpolation_weights(y0 * height, y1 * height, bins, height)
    columns = interpolation_weights(x0 * width, x1 * width, bins, width)
    if chosen is not None:
        rows = rows * chosen.reshape(batch, count, 1, 1)
    bands = torch.bmm(rows.view(batch, -1, height), features.reshape(batch, height, width * channels))
    bands = bands.view(batch * count, bins, width, channels).transpose(1, 2)
    crops = torch.bmm(columns.view(batch * count, bins, width), bands.reshape(batch * count, width, -1))
    crops = crops.view(batch * count, bins, bins, channels).transpose(1, 2)
    return crops.reshape(batch, count, bins * bins, channels)


def level_choice(boxes: Tensor, image_size: tuple[int, int], levels: int, finest_scale: float) -> Tensor:
    """The pyramid level of each box (Lin et al., Feature Pyramid Networks, 2017, Eq. 1).

    A box is cropped from level floor(log2(√(w·h) / finest_scale)), bounded by the levels that there are.

    Args:
        boxes: (B, R, 4), fractions of width and height.
        image_size: (height, width) in pixels.
        levels: number of levels, finest first.
        finest_scale: in pixels; boxes of up to twice this side are cropped from the finest level.

    Returns:
        (levels, B, R), 1 for the level of a box and 0 for the others.
    """
    x0, y0, x1, y1 = boxes.unbind(2)
    area = (x1 - x0) * (y1 - y0) * float(image_size[0] * image_size[1])
    beyond = [(area >= (finest_scale * 2.0**level) ** 2).to(area) for level in range(1, levels)]
    reached = [torch.ones_like(area), *beyond]
    left = [*beyond, torch.zeros_like(area)]
    return torch.stack([a - b for a, b in zip(reached, left)])


def pyramid_roi_align(levels: Sequence[Tensor], boxes: Tensor, bins: int, finest_scale: float) -> Tensor:
    """Crop each box from its level of a pyramid.

    Every level is sampled, and all but a box's own are weighed by 0: an exported graph has no branches.

    Args:
        levels: (B, H/4, W/4, C), (B, H/8, W/8, C), …, channels last.
        boxes: (B, R, 4), fractions of width and height.
        bins: of a crop, down and across.
        finest_scale: see ``level_choice``.

    Returns:
        (B, R, bins·bins, C), bins row by row.
    """
    size = (STRIDE * levels[0].shape[1], STRIDE * levels[0].shape[2])
    chosen = level_choice(boxes, size, len(levels), finest_scale)
    crops = [roi_align(level, boxes, bins, share) for level, share in zip(levels, chosen)]
    return sum(crops[1:], crops[0])
