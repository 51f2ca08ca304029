"""Where a dense kernel looks: boxes, coordinate channels, and the factors that make a kernel say "here"."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mobilevis.models.backbones.yolox import STRIDES
from mobilevis.models.blocks.resampling import repeat_batch

PLACE_CHANNELS = 5
MAX_LOG_SHARPNESS = 3.0
# e^8 strides are more than any input; without a bound a random feature map overflows.
MAX_LOG_SIZE = 8.0


def place_channels(like: Tensor) -> Tensor:
    """x², y², x, y and 1 as constant channels, (B, 5, H, W) for features (B, C, H, W)."""
    height, width = like.shape[-2:]
    return repeat_batch(torch.from_numpy(_place_table(height, width)).to(like), like.shape[0])


def place_kernel(sharpness: Tensor, bias: Tensor, centre: Tensor, half: Tensor) -> Tensor:
    """The factors of (x², y², x, y, 1), (…, 5), of log s and b, (…, 1), and the box's centre and half sides,
    (…, 2)."""
    # One more than the logit at the box's edge would otherwise be: a mask starts as its box's ellipse.
    squares = sharpness.clamp(max=MAX_LOG_SHARPNESS).exp() / (half * half)
    linear = squares * centre
    # Half a one each: ONNX Runtime adds a number to columns of one as slowly as to forty.
    constant = 0.5 - linear * centre
    return torch.cat([-squares, 2.0 * linear, bias + (constant[..., :1] + constant[..., 1:])], dim=-1)


@lru_cache(maxsize=32)
def cell_corners(height: int, width: int) -> np.ndarray:
    """x and y of each cell's upper left corner, as fractions: YOLOX's boxes count from it."""
    columns, rows = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    return np.stack([columns, rows])[None].astype(np.float32)


def read_boxes(index: int, raw: Tensor) -> Tensor:
    """A level's boxes as its head writes them, the first 4 channels of (B, 4 or more, h, w) → x0, y0, x1, y1
    as fractions of the input."""
    stride, pixel = STRIDES[index], pixel_size(index, raw)
    half = raw[:, 2:4].clamp(max=MAX_LOG_SIZE).exp() * (0.5 * stride * pixel)
    corner = repeat_batch(torch.from_numpy(cell_corners(*raw.shape[-2:])).to(raw), raw.shape[0])
    centre = corner + raw[:, :2] * (stride * pixel)
    return torch.cat([centre - half, centre + half], dim=1)


def pixel_size(index: int, level: Tensor) -> Tensor:
    """A pixel of the input of a level (B, C, h, w), as fractions of its width and height, (1, 2, 1, 1)."""
    height, width = level.shape[-2:]
    stride = STRIDES[index]
    sides = np.array([1.0 / (width * stride), 1.0 / (height * stride)], np.float32)
    return torch.from_numpy(sides.reshape(1, -1, 1, 1)).to(level)


@lru_cache(maxsize=32)
def _place_table(height: int, width: int) -> np.ndarray:
    columns = (np.arange(width) + 0.5) / width - 0.5
    rows = (np.arange(height) + 0.5) / height - 0.5
    x, y = np.meshgrid(columns, rows)
    return np.stack([x * x, y * y, x, y, np.ones_like(x)])[None].astype(np.float32)
