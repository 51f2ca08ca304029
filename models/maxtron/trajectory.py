"""Trajectory attention (Patrick et al., NeurIPS 2021) as MaXTron uses it: along the axes of a clip's features
(MaXTron, Eq. 2-4), and over the object queries of a video's clips (Eq. 5-6).

A point first looks into every frame on its own, which gives where it would be in each: its trajectory. Then
it looks along the trajectory. Both steps are loops over frames of products of rank 3, which every engine has.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Optional, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import LayerNorm
from mobilevis.models.blocks.positions import clip_positions


class TrajectoryAttention(nn.Module):
    """Trajectory attention of the positions of a few frames among themselves.

    Args:
        dim: D, channels.
        heads: attention heads; D is a multiple of it.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.path_query = nn.Linear(dim, dim)
        self.path_key = nn.Linear(dim, dim)
        self.path_value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        for layer in self.children():
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, frames: int, positions: Optional[Tensor] = None) -> Tensor:
        """(B, F·P, D), the P positions of the first of F frames, then the second's … → the same shape.

        Args:
            x: features.
            frames: F.
            positions: (1 or B, F·P, D), added to what queries and keys are projected from.
        """
        placed = x if positions is None else x + positions
        points = self.trajectories(self.query(placed), self.key(placed), self.value(x), frames)
        length = x.shape[1] // frames
        # Of Eq. 3's trajectory, the query is the point in the reference's own frame, t' = t.
        own = torch.cat([point[:, t * length : (t + 1) * length] for t, point in enumerate(points)], dim=1)
        return self.out(self._along(self.path_query(own) * self.scale, points))

    def trajectories(self, query: Tensor, key: Tensor, value: Tensor, frames: int) -> list[Tensor]:
        """Eq. 2 and 5: for each of F frames, where every position finds itself in it, (B, F·P, D).

        Queries, keys and values are (B, F·P, D); the softmax is over the P positions of one frame.
        """
        batch, total, dim = query.shape
        length = total // frames
        q, k, v = self._split(query * self.scale), self._split(key), self._split(value)
        points = []
        for t in range(frames):
            inside = slice(t * length, (t + 1) * length)
            weights = torch.bmm(q, k[:, inside].transpose(1, 2)).softmax(dim=-1)
            point = torch.bmm(weights, v[:, inside]).view(batch, self.heads, total, -1)
            points.append(point.permute(0, 2, 1, 3).reshape(batch, total, dim))
        return points

    def _along(self, query: Tensor, points: list[Tensor]) -> Tensor:
        """Eq. 4 and 6: attention of each position over the points of its trajectory.

        A head's product of one query with one key is a sum over its channels: a product with a constant.
        """
        channels = torch.from_numpy(_head_channels(query.shape[-1], self.heads)).to(query)  # (heads, D)
        logits = [F.linear(query * self.path_key(point), channels) for point in points]
        weights = torch.stack(logits, dim=-1).softmax(dim=-1)
        gathered = None
        for t, point in enumerate(points):
            part = F.linear(weights[..., t], channels.t()) * self.path_value(point)
            gathered = part if gathered is None else gathered + part
        assert gathered is not None
        return gathered

    def _split(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B·heads, N, D/heads)."""
        batch, length, dim = x.shape
        x = x.view(batch, length, self.heads, dim // self.heads).permute(0, 2, 1, 3)
        return x.reshape(batch * self.heads, length, dim // self.heads)


@lru_cache(maxsize=8)
def _head_channels(dim: int, heads: int) -> np.ndarray:
    """(heads, D): 1 where a channel belongs to a head."""
    return np.kron(np.eye(heads), np.ones((1, dim // heads))).astype(np.float32)


class AxialTrajectoryLayer(nn.Module):
    """Trajectory attention along the height, then the width, one norm, and a feed-forward part (Fig. 3).

    Args:
        dim: D, channels.
        heads: attention heads.
        hidden: width of the feed-forward part.
        across_frames: False keeps each frame to its own columns and rows: the baseline that shows what the
            trajectories are for.
    """

    def __init__(self, dim: int, heads: int, hidden: int, across_frames: bool = True) -> None:
        super().__init__()
        self.across_frames = across_frames
        self.height = TrajectoryAttention(dim, heads)
        self.width = TrajectoryAttention(dim, heads)
        self.norm = LayerNorm(dim)
        self.expand = nn.Linear(dim, hidden)
        self.project = nn.Linear(hidden, dim)
        self.last_norm = LayerNorm(dim)

    def forward(self, x: Tensor, frames: int, level: Optional[Tensor] = None) -> Tensor:
        """Maps of B clips of F frames, (F·B, D, H, W), frame-major → the same shape.

        ``level`` (D,) is added to the positions' embedding.
        """
        clips, (channels, height, width) = x.shape[0] // frames, x.shape[1:]
        group = frames if self.across_frames else 1
        clips = clips * frames // group
        tokens = x.view(group, clips, channels, height, width).permute(1, 0, 3, 4, 2)
        positions = clip_positions(group, height, width, channels, x)
        positions = positions if level is None else positions + level
        tokens = tokens + self._axis(self.height, tokens, positions, (0, 3, 1, 2, 4))
        tokens = self.norm(tokens + self._axis(self.width, tokens, positions, (0, 2, 1, 3, 4)))
        tokens = self.last_norm(tokens + self.project(F.relu(self.expand(tokens))))
        return tokens.permute(1, 0, 4, 2, 3).reshape(x.shape)

    @staticmethod
    def _axis(
        attention: TrajectoryAttention, tokens: Tensor, positions: Tensor, order: tuple[int, ...]
    ) -> Tensor:
        """Attention of (B, F, H, W, D) in the lines that ``order`` brings to (B, lines, F, along, D)."""
        lines = tokens.permute(order)
        batch, count, frames, length, dim = lines.shape
        placed = positions.permute(order).reshape(count, frames * length, dim)
        placed = torch.cat([placed] * batch) if batch > 1 else placed
        out = attention(lines.reshape(batch * count, frames * length, dim), frames, placed)
        out = out.view(batch, count, frames, length, dim)
        back = [order.index(axis) for axis in range(5)]
        return out.permute(back)


class ClipMixer(nn.Module):
    """Axial-trajectory layers between the layers of a per-frame deformable encoder, on its coarsest levels:
    the within-clip tracking module (§3.2), which MaXTron's public code applies at strides 32 and 16.

    Args:
        dim: D, channels.
        heads: attention heads.
        hidden: width of the feed-forward parts.
        stages: N_w, deformable layers of the encoder.
        layers: axial-trajectory layers after each of them.
        frames: T, frames of a clip.
        across_frames: see ``AxialTrajectoryLayer``.
    """

    levels = 2

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int,
        stages: int,
        layers: int,
        frames: int,
        across_frames: bool = True,
    ) -> None:
        super().__init__()
        self.frames = frames
        self.level_embeddings = nn.Parameter(torch.randn(self.levels, dim))
        self.stages = nn.ModuleList(
            nn.ModuleList(AxialTrajectoryLayer(dim, heads, hidden, across_frames) for _ in range(layers))
            for _ in range(stages)
        )

    def forward(self, stage: int, cells: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Cells (T·B, ΣHW, D), frame-major, the coarsest level first → the same shape."""
        parts = list(cells.split([height * width for height, width in sizes], dim=1))
        for level in range(self.levels):
            x = parts[level].transpose(1, 2).reshape(cells.shape[0], -1, *sizes[level])
            for layer in cast(nn.ModuleList, self.stages[stage]):
                x = layer(x, self.frames, self.level_embeddings[level])
            parts[level] = x.flatten(2).transpose(1, 2)
        return torch.cat(parts, dim=1)


class TemporalAspp(nn.Module):
    """Three parallel convolutions over a query's clips with dilations 1, 2, 3, then 1×1 (Fig. 16).

    A convolution of three taps is three products with shifted clips; beyond the ends stands the last clip.
    """

    def __init__(self, dim: int, rates: tuple[int, ...] = (1, 2, 3)) -> None:
        super().__init__()
        self.rates = rates
        self.branches = nn.ModuleList(nn.Linear(3 * dim, dim) for _ in rates)
        self.fuse = nn.Linear(len(rates) * dim, dim, bias=False)
        self.norm = LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(K, N, D): N queries in each of K clips → the same shape."""
        outs = [
            branch(torch.cat(self._taps(x, rate), dim=-1)) for branch, rate in zip(self.branches, self.rates)
        ]
        return F.gelu(self.norm(self.fuse(torch.cat(outs, dim=-1))))

    @staticmethod
    def _taps(x: Tensor, rate: int) -> list[Tensor]:
        clips = x.shape[0]
        before = torch.cat([x[max(k - rate, 0) : max(k - rate, 0) + 1] for k in range(clips)])
        after = torch.cat([x[min(k + rate, clips - 1) : min(k + rate, clips - 1) + 1] for k in range(clips)])
        return [before, x, after]


class CrossClipLayer(nn.Module):
    """Trajectory attention over all queries of all clips, then Temporal-ASPP, each with residual and norm
    (Fig. 4)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = TrajectoryAttention(dim, heads)
        self.norm = LayerNorm(dim)
        self.aspp = TemporalAspp(dim)
        self.last_norm = LayerNorm(dim)

    def forward(self, queries: Tensor) -> Tensor:
        """Aligned clip queries (K, N, D) of one video → the same shape."""
        clips, count, dim = queries.shape
        flat = queries.reshape(1, clips * count, dim)
        flat = self.norm(flat + self.attention(flat, clips))
        queries = flat.view(clips, count, dim)
        return self.last_norm(queries + self.aspp(queries))


class CrossClipModule(nn.Module):
    """The layers, and the video's class embedding: its clips', weighted by a softmax over them (the "temporal
    1D conv" of Fig. 4).

    Args:
        dim: D, channels of the queries.
        heads: attention heads.
        layers: N_c.
    """

    def __init__(self, dim: int, heads: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossClipLayer(dim, heads) for _ in range(layers))
        self.clip_weight = nn.Linear(dim, 1)

    def forward(self, queries: Tensor) -> list[Tensor]:
        """Aligned clip queries (K, N, D) → the queries (K, N, D) after each layer."""
        refined = []
        for layer in self.layers:
            queries = layer(queries)
            refined.append(queries)
        return refined

    def video_embedding(self, embeddings: Tensor) -> Tensor:
        """Class embeddings of the clips (K, N, D) → of the video (1, N, D)."""
        weights = self.clip_weight(embeddings).permute(1, 2, 0).softmax(dim=-1)  # (N, 1, K)
        return torch.bmm(weights, embeddings.permute(1, 0, 2)).permute(1, 0, 2)
