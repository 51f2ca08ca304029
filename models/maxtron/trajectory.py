"""Trajectory attention (Patrick et al., NeurIPS 2021) as MaXTron uses it: along the axes of a clip's features
(MaXTron, Eq. 2-4), and over the object queries of a video's clips (Eq. 5-6).

A point first looks into every frame on its own, which gives where it would be in each: its trajectory. Then
it looks along the trajectory. Both steps are loops over frames of products of rank 3, which every engine has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Optional

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


class TrajectoryLayer(nn.Module):
    """Trajectory attention over a clip's maps, one norm, and a feed-forward part (Fig. 3).

    Args:
        dim: D, channels.
        hidden: width of the feed-forward part.
        across_frames: False keeps each frame to itself: the baseline that shows what the trajectories are
            for.
    """

    def __init__(self, dim: int, hidden: int, across_frames: bool) -> None:
        super().__init__()
        self.across_frames = across_frames
        self.norm = LayerNorm(dim)
        self.expand = nn.Linear(dim, hidden)
        self.project = nn.Linear(hidden, dim)
        self.last_norm = LayerNorm(dim)

    def attend(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Attention with its residual, of tokens (B, F, H, W, D) at positions (1, F, H, W, D)."""
        raise NotImplementedError

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
        tokens = self.norm(self.attend(tokens, positions))
        tokens = self.last_norm(tokens + self.project(F.relu(self.expand(tokens))))
        return tokens.permute(1, 0, 4, 2, 3).reshape(x.shape)


class AxialTrajectoryLayer(TrajectoryLayer):
    """Along the height, then the width: MaXTron's."""

    def __init__(self, dim: int, heads: int, hidden: int, across_frames: bool = True) -> None:
        super().__init__(dim, hidden, across_frames)
        self.height = TrajectoryAttention(dim, heads)
        self.width = TrajectoryAttention(dim, heads)

    def attend(self, tokens: Tensor, positions: Tensor) -> Tensor:
        tokens = tokens + self._axis(self.height, tokens, positions, (0, 3, 1, 2, 4))
        return tokens + self._axis(self.width, tokens, positions, (0, 2, 1, 3, 4))

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


class FullTrajectoryLayer(TrajectoryLayer):
    """Over all cells of all frames at once (Patrick et al.), the baseline of Table 5."""

    def __init__(self, dim: int, heads: int, hidden: int, across_frames: bool = True) -> None:
        super().__init__(dim, hidden, across_frames)
        self.plane = TrajectoryAttention(dim, heads)

    def attend(self, tokens: Tensor, positions: Tensor) -> Tensor:
        clips, frames, _, _, dim = tokens.shape
        flat = tokens.reshape(clips, -1, dim)
        out = self.plane(flat, frames, positions.reshape(1, -1, dim))
        return tokens + out.view(tokens.shape)


TRAJECTORIES = {"axial": AxialTrajectoryLayer, "full": FullTrajectoryLayer}
