"""Where a dense kernel looks: coordinate channels, and the factors that make a kernel say "here"."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mobilevis.models.blocks.resampling import repeat_batch

PLACE_CHANNELS = 5
MAX_LOG_SHARPNESS = 3.0


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
    constant = linear * centre
    return torch.cat([-squares, 2.0 * linear, bias + 1.0 - (constant[..., :1] + constant[..., 1:])], dim=-1)


@lru_cache(maxsize=32)
def cell_corners(height: int, width: int) -> np.ndarray:
    """x and y of each cell's upper left corner, as fractions: YOLOX's boxes count from it."""
    columns, rows = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    return np.stack([columns, rows])[None].astype(np.float32)


@lru_cache(maxsize=32)
def _place_table(height: int, width: int) -> np.ndarray:
    columns = (np.arange(width) + 0.5) / width - 0.5
    rows = (np.arange(height) + 0.5) / height - 0.5
    x, y = np.meshgrid(columns, rows)
    return np.stack([x * x, y * y, x, y, np.ones_like(x)])[None].astype(np.float32)
