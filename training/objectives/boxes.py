"""Boxes as x0, y0, x1, y1 in the last dimension: from masks, and how much two overlap."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_COVERAGE = 1 / 16  # one pixel of the 4 × 4 in a cell of the masks that are trained on


def mask_boxes(masks: Tensor) -> Tensor:
    """The tight boxes of masks, as fractions of width and height.

    The coverage of the outermost cells says where in them the object ends.

    Args:
        masks: (…, h, w), coverages in [0, 1].

    Returns:
        (…, 4); zeros for a mask that covers nothing.
    """
    x0, x1 = _extent(masks.amax(-2))
    y0, y1 = _extent(masks.amax(-1))
    return torch.stack([x0, y0, x1, y1], dim=-1)


def _extent(profile: Tensor) -> tuple[Tensor, Tensor]:
    """First and last edge of (…, n) coverages along one axis, as fractions of n."""
    covered = profile >= LEAST_COVERAGE
    length = profile.shape[-1]
    first = covered.to(torch.uint8).argmax(-1, keepdim=True)
    last = length - 1 - covered.flip(-1).to(torch.uint8).argmax(-1, keepdim=True)
    start = first + 1 - profile.gather(-1, first)
    end = last + profile.gather(-1, last)
    # A mask inside one cell ends before it starts when both edges are read from its one coverage.
    start, end = torch.minimum(start, end - LEAST_COVERAGE), torch.maximum(end, start + LEAST_COVERAGE)
    seen = covered.any(-1)
    return (start.squeeze(-1) / length) * seen, (end.squeeze(-1) / length) * seen


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, in [0, 1].

    Args:
        a: (…, 4).
        b: (…, 4), of a shape that broadcasts with that of ``a``.
    """
    intersection = _shared(a, b)
    union = _area(a) + _area(b) - intersection
    return intersection / union.clamp(min=torch.finfo(a.dtype).eps)


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of all pairs: (…, n, 4) and (…, m, 4) → (…, n, m)."""
    return paired_iou(first[..., :, None, :], second[..., None, :, :])


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised intersection over union (Rezatofighi et al., CVPR 2019), in [-1, 1].

    Args:
        a: (…, 4), x0 ≤ x1 and y0 ≤ y1.
        b: (…, 4), of a shape that broadcasts with that of ``a``.
    """
    intersection = _shared(a, b)
    union = _area(a) + _area(b) - intersection
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    least = torch.finfo(a.dtype).eps
    return intersection / union.clamp(min=least) - (hull - union) / hull.clamp(min=least)


def _shared(a: Tensor, b: Tensor) -> Tensor:
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    return (high - low).clamp(min=0).prod(-1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)
