"""What TAFormer (Zhang et al., WACV 2023) adds to SeqFormer: time in the encoder and in the decoder.

Tensors of a clip are frame-major: (T·B, …) holds the first frames of B clips, then their second ones.

The paper leaves widths open; its parameter counts determine them. Table 7 grows by 0.6 M for each temporal
point, which is offsets and weights of its own for each of the 2d = 4 neighbouring frames (6 layers · 257 · 3
· 8 heads · 4 levels · 4 frames = 0.59 M). What remains of the 2.9 M over SeqFormer, 0.54 M, is one temporal
self-attention that all decoder layers share (0.26 M), a fusion through 32 channels as in Selective Kernel
Networks (0.15 M) and the two layers of the contrastive head (0.13 M). Value and output projections of its own
for the temporal attention would not fit, and Eq. 1 and 2 write the same W and W'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Optional

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mobilevis.models.blocks.deformable import (
    DeformableAttention,
    SamplingHead,
    Sizes,
    corner_tables,
    sample_tables,
)
from mobilevis.models.blocks.layers import LayerNorm, MultiHeadAttention

FUSION_WIDTH = 32  # Selective Kernel Networks (Li et al., CVPR 2019, Eq. 4): max(256 / 16, 32)


class DynamicFusion(nn.Module):
    """Weigh spatial and temporal attention against each other in each channel (Eq. 3–5).

    The ReLU after the first layer is Selective Kernel Networks'; the paper names no activation.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(dim, FUSION_WIDTH)
        self.spatial_gate = nn.Linear(FUSION_WIDTH, dim)
        self.temporal_gate = nn.Linear(FUSION_WIDTH, dim)

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """Two of (…, D) → (…, D)."""
        squeezed = self.squeeze(spatial + temporal).relu()
        # The softmax over two gates is the sigmoid of their difference.
        share = (self.spatial_gate(squeezed) - self.temporal_gate(squeezed)).sigmoid()
        return temporal + share * (spatial - temporal)


class SumFusion(nn.Module):
    """Element-wise addition (Table 4)."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """Two of (…, D) → (…, D)."""
        return spatial + temporal


class ConcatenationFusion(nn.Module):
    """Concatenation, and a layer back to D channels (Table 4)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(2 * dim, dim)

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """Two of (…, D) → (…, D)."""
        return self.project(torch.cat([spatial, temporal], dim=-1))


# Table 4.
FUSIONS: Mapping[str, Callable[[int], nn.Module]] = {
    "dynamic": DynamicFusion,
    "sum": SumFusion,
    "concatenation": ConcatenationFusion,
}


class JointAttention(nn.Module):
    """Spatio-temporal joint multi-scale deformable attention (Eq. 1–5).

    The maps of the neighbouring frames t − d … t + d without t are 2d times as many maps to sample from, with
    weights that sum to 1 over all of them. A neighbour beyond the clip is the clip's first or last frame,
    which the paper leaves open.

    Args:
        dim: D, channels.
        heads: attention heads.
        levels: maps of a frame.
        points: samples of each head on each map of its own frame, K_intra.
        window: d.
        temporal_points: samples of each head on each map of each neighbour, K_inter.
        fusion: a key of ``FUSIONS``.
    """

    def __init__(
        self, dim: int, heads: int, levels: int, points: int, window: int, temporal_points: int, fusion: str
    ) -> None:
        super().__init__()
        self.window = window
        self.spatial = DeformableAttention(dim, heads, levels, points)
        self.temporal = SamplingHead(dim, heads, 2 * window * levels, temporal_points)
        self.fusion = FUSIONS[fusion](dim)

    def forward(self, query: Tensor, centres: Tensor, cells: Tensor, sizes: Sizes, length: int) -> Tensor:
        """Attend from every cell of a clip.

        Args:
            query: (T·B, ΣHW, D), cells with their positions.
            centres: (1, ΣHW, 2), see ``cell_centres``.
            cells: (T·B, ΣHW, D).
            sizes: (height, width) of a frame's maps.
            length: T.
        """
        tables = corner_tables(self.spatial.project(cells), sizes)
        frames = cells.shape[0]
        own = np.arange(frames)[:, None].repeat(len(sizes), axis=1)
        spatial = sample_tables(tables, sizes, own, *self.spatial.sampling(query, centres, sizes))
        near = neighbours(frames, length, self.window).repeat(len(sizes), axis=1)
        near_sizes = list(sizes) * (2 * self.window)
        temporal = sample_tables(tables, sizes, near, *self.temporal(query, centres, near_sizes))
        return self.fusion(self.spatial.out(spatial), self.spatial.out(temporal))


def neighbours(frames: int, length: int, window: int) -> NDArray[np.int64]:
    """The frames t − d … t − 1, t + 1 … t + d around each frame of clips that are stored frame-major.

    Args:
        frames: T·B.
        length: T.
        window: d.

    Returns:
        (T·B, 2d); beyond the clip its first or last frame repeats.
    """
    clips = frames // length
    steps = np.array([*range(-window, 0), *range(1, window + 1)])
    times = np.clip(np.arange(length)[:, None, None] + steps, 0, length - 1)
    return (times * clips + np.arange(clips)[:, None]).reshape(frames, 2 * window)


class TemporalSelfAttention(nn.Module):
    """Self-attention of each box query over the frames of its clip (§3.4), residual and normed after."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(dim, heads)
        self.norm = LayerNorm(dim)

    def forward(self, boxes: Tensor, length: int, positions: Optional[Tensor] = None) -> Tensor:
        """Box queries (T·B, N, D) → the same; ``positions`` (1, T, D) tell the frames apart."""
        frames, queries, dim = boxes.shape
        tracks = boxes.reshape(length, -1, dim).transpose(0, 1)
        placed = tracks if positions is None else tracks + positions
        tracks = self.norm(tracks + self.attention(placed, placed, tracks))
        return tracks.transpose(0, 1).reshape(frames, queries, dim)


@lru_cache(maxsize=32)
def _temporal_table(length: int, dim: int) -> np.ndarray:
    frequencies = np.exp(-math.log(10000.0) * np.arange(0, dim, 2) / dim)
    angles = np.arange(length)[:, None] * frequencies
    table = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(1, length, dim)
    return table.astype(np.float32)


def temporal_positions(length: int, dim: int, like: Tensor) -> Tensor:
    """Sine and cosine of the frame's place in its clip (Eq. 6), (1, T, D), a constant.

    Places are whole frames, not shares of the clip, so that a step of one frame looks the same in a clip of
    any length.
    """
    return torch.from_numpy(_temporal_table(length, dim)).to(like)
