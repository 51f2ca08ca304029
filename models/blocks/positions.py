"""Where a cell is, as constant tensors of a size: an exported entry holds them as data, without operators."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mobilevis.models.blocks.resampling import repeat_batch


@lru_cache(maxsize=32)
def _sine_table(height: int, width: int, dim: int, place: float) -> np.ndarray:
    frequencies = 10000.0 ** (-2.0 * (np.arange(dim // 2) // 2) / (dim // 2))
    rows = 2.0 * math.pi * (np.arange(height) + place) / height
    columns = 2.0 * math.pi * (np.arange(width) + place) / width

    def waves(positions: np.ndarray) -> np.ndarray:
        angles = positions[:, None] * frequencies
        return np.stack([np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])], axis=2).reshape(
            len(positions), -1
        )

    table = np.empty((height, width, dim), dtype=np.float32)
    table[..., : dim // 2] = waves(rows)[:, None]
    table[..., dim // 2 :] = waves(columns)[None]
    return table.reshape(1, height * width, dim)


def sine_positions(height: int, width: int, dim: int, like: Tensor, place: float = 1.0) -> Tensor:
    """Normalised 2-D sine embedding, (1, H·W, dim) on the device and in the dtype of ``like``.

    A cell is counted at its end (``place`` 1, DETR's and Mask2Former's) or at its centre (0.5, Deformable
    DETR's and SeqFormer's). A constant of the size, made outside the graph: an exported entry holds it as
    data, with no operator.
    """
    return torch.from_numpy(_sine_table(height, width, dim, place)).to(like)


def coordinates(like: Tensor) -> Tensor:
    """Column and row in [-1, 1] as two constant channels, (B, 2, H, W) for features (B, C, H, W)."""
    batch, _, height, width = like.shape
    columns, rows = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    table = np.stack([columns, rows])[None].astype(np.float32)
    return repeat_batch(torch.from_numpy(table).to(like), batch)


def clip_positions(frames: int, height: int, width: int, dim: int, like: Tensor) -> Tensor:
    """Sine embedding of frame, row and column, (1, F, H, W, D): the plane's, plus the frame's (VisTR's third
    axis as Mask2Former for video adds it)."""
    plane = sine_positions(height, width, dim, like).view(1, 1, height, width, dim)
    # The first half of the plane's channels encodes rows: D of 2·D channels encode frames.
    time = sine_positions(frames, 1, 2 * dim, like)[..., :dim].reshape(1, frames, 1, 1, dim)
    return plane + time
