"""What a detector says of all cells of a frame, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mobilevis.models.backbones.yolox import STRIDES
from mobilevis.models.mobileinst.places import read_boxes


class Cells(NamedTuple):
    """What the detector says of all A cells, strides 8, 16 and 32 in turn, each level row by row.

    Attributes:
        scores: (B, A, C) = σ(class)·σ(objectness).
        boxes: (B, A, 4), x0, y0, x1, y1 as fractions of the input; may leave it.
    """

    scores: Tensor
    boxes: Tensor


def cell_count(input_size: tuple[int, int]) -> int:
    """A, the cells of all levels for an input of (height, width)."""
    return sum((input_size[0] // stride) * (input_size[1] // stride) for stride in STRIDES)


def _join_levels(maps: Sequence[Tensor]) -> Tensor:
    """What is said of each level's cells, (B, C, h, w) each → of all, (B, A, C) float32: inside ``autocast``,
    too, whose 8 bits are too few for a place."""
    return torch.cat([x.permute(0, 2, 3, 1).flatten(1, 2) for x in maps], dim=1).float()


def score(logits: Sequence[Tensor], objectness: Tensor) -> Tensor:
    """The levels' class logits (B, C, h, w), and objectness (B, A, 1) → scores (B, A, C)."""
    return _join_levels([x.sigmoid() for x in logits]) * objectness


def locate(boxes: Sequence[Tensor], objectness: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What the levels' heads write of boxes (B, 4 or more, h, w) and objectness → both of all cells, see
    ``Cells``."""
    located = [read_boxes(index, raw.float()) for index, raw in enumerate(boxes)]
    return _join_levels(located), _join_levels([logits.sigmoid() for logits in objectness])
