"""Resampling to fixed sizes in forms that every exporter's delegate takes whole."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def resize(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bilinear resampling of (B, C, H, W) to a fixed (height, width)."""
    return F.interpolate(x, size=(int(size[0]), int(size[1])), mode="bilinear", align_corners=False)


def repeat_batch(x: Tensor, batch: int) -> Tensor:
    """(1, …) as (B, …); x itself for B = 1, where an exported ``expand`` would fall out of the delegate."""
    return x if batch == 1 else x.expand(batch, *x.shape[1:])


@lru_cache(maxsize=32)
def _bins_table(length: int, bins: int) -> np.ndarray:
    table = np.zeros((bins, length), dtype=np.float32)
    for i in range(bins):
        start, stop = i * length // bins, -(-(i + 1) * length // bins)
        table[i, start:stop] = 1.0 / (stop - start)
    return table


def pool_bins(x: Tensor, bins: int) -> Tensor:
    """``F.adaptive_avg_pool2d`` of (B, C, H, W) to bins × bins as a product with a constant matrix.

    The bins of adaptive pooling overlap where they do not divide the size, which no fixed kernel expresses.
    The matrix stands left: on the right, litert-torch 0.10.0 cannot convert one bin before a convolution.
    """
    batch, channels, height, width = x.shape
    table = np.kron(_bins_table(height, bins), _bins_table(width, bins))
    weights = repeat_batch(torch.from_numpy(table.reshape(1, bins**2, height * width)).to(x), batch)
    pooled = torch.bmm(weights, x.flatten(2).transpose(1, 2))
    return pooled.transpose(1, 2).reshape(batch, channels, bins, bins)


@lru_cache(maxsize=32)
def _interpolation_table(source: int, target: int) -> np.ndarray:
    centres = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0.0, source - 1.0)
    weights = np.maximum(0.0, 1.0 - np.abs(centres[:, None] - np.arange(source)))
    return np.ascontiguousarray(weights.T[None], dtype=np.float32)


def interpolate_linear(x: Tensor, length: int) -> Tensor:
    """Linear interpolation of (1, C, L) to (1, C, length) as a product with a constant matrix.

    Equal to ``F.interpolate(mode="linear", align_corners=False)``, which exporters turn into gathers.
    """
    weights = torch.from_numpy(_interpolation_table(x.shape[-1], length)).to(x)
    return torch.bmm(x, weights)
