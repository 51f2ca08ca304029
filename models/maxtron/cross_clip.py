"""MaXTron's cross-clip tracking module (§3.3): the object queries of a video's clips, refined together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import LayerNorm, MultiHeadAttention
from mobilevis.models.maxtron.trajectory import TrajectoryAttention

CROSS_ATTENTIONS = ("trajectory", "self")


class TemporalAspp(nn.Module):
    """Parallel convolutions over a query's clips, one a dilation, then 1×1 (Fig. 16).

    A convolution of three taps is three products with shifted clips; beyond the ends stands the last clip.
    """

    def __init__(self, dim: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.rates = tuple(rates)
        self.branches = nn.ModuleList(nn.Linear(3 * dim, dim) for _ in rates)
        self.fuse = nn.Linear(len(rates) * dim, dim, bias=False)
        self.norm = LayerNorm(dim, eps=1e-6)  # the public code's, of this norm alone

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
    """Attention over all queries of all clips, then Temporal-ASPP, each with residual and norm (Fig. 4).

    Args:
        dim: D.
        heads: attention heads.
        attention: one of ``CROSS_ATTENTIONS`` (Table 6a).
        rates: of Temporal-ASPP (Table 6b); none leaves it out (Table 6a).
    """

    def __init__(self, dim: int, heads: int, attention: str, rates: Sequence[int]) -> None:
        super().__init__()
        trajectories = attention == "trajectory"
        self.attention = TrajectoryAttention(dim, heads) if trajectories else MultiHeadAttention(dim, heads)
        self.norm = LayerNorm(dim)
        self.aspp = TemporalAspp(dim, rates) if rates else None
        self.last_norm = LayerNorm(dim) if rates else None

    def forward(self, queries: Tensor) -> Tensor:
        """Aligned clip queries (K, N, D) of one video → the same shape."""
        clips, count, dim = queries.shape
        flat = queries.reshape(1, clips * count, dim)
        if isinstance(self.attention, TrajectoryAttention):
            attended = self.attention(flat, clips)
        else:
            attended = self.attention(flat, flat, flat)
        queries = self.norm(flat + attended).view(clips, count, dim)
        if self.aspp is None or self.last_norm is None:
            return queries
        return self.last_norm(queries + self.aspp(queries))


class CrossClipModule(nn.Module):
    """The layers, and the video's class embedding: its clips', weighted by a softmax over them (the "temporal
    1D conv" of Fig. 4).

    Args:
        dim: D, channels of the queries.
        heads: attention heads.
        layers: N_c.
        attention: see ``CrossClipLayer``.
        rates: see ``CrossClipLayer``.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        layers: int,
        attention: str = "trajectory",
        rates: Sequence[int] = (1, 2, 3),
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CrossClipLayer(dim, heads, attention, rates) for _ in range(layers))
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
