"""Dual transformer instance decoder (MobileInst §3.2, Eq. 1, Tables 3 and 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import LayerNorm, MultiHeadAttention, start_at_prior
from mobilevis.models.blocks.positions import sine_positions
from mobilevis.models.blocks.resampling import repeat_batch

# Table 3: the source of each stage's keys and values.
STAGES = {
    "global": ("global",),
    "local": ("local",),
    "global-local": ("global", "local"),
    "global-global": ("global", "global"),
    "local-local": ("local", "local"),
}
# Table 4: pooling and kernel size from the mask features to the local features.
POOLINGS = {"none": 1, "max4": 4, "max8": 8, "avg4": 4, "avg8": 8}


class DecodedQueries(NamedTuple):
    """What the heads read from N queries, (B, N, C), (B, N, 1) and (B, N, D), and the queries, (B, N, D)."""

    class_logits: Tensor
    objectness_logits: Tensor
    kernels: Tensor
    queries: Tensor


class DecoderStage(nn.Module):
    """Cross-attention to one source, then self-attention, each residual and normed; no feed-forward part."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.cross_attention = MultiHeadAttention(dim, heads)
        self.cross_norm = LayerNorm(dim)
        self.self_attention = MultiHeadAttention(dim, heads)
        self.self_norm = LayerNorm(dim)

    def forward(self, queries: Tensor, positions: Tensor, features: Tensor) -> Tensor:
        """Queries (B, N, D), their positions (1, N, D) and features (B, D, H, W) → queries (B, N, D)."""
        height, width = features.shape[-2:]
        values = features.flatten(2).transpose(1, 2)
        keys = values + sine_positions(height, width, values.shape[-1], like=values)
        queries = self.cross_norm(queries + self.cross_attention(queries + positions, keys, values))
        placed = queries + positions
        return self.self_norm(queries + self.self_attention(placed, placed, queries))


class InstanceDecoder(nn.Module):
    """Learned queries, one or two stages of attention, and the heads.

    Args:
        dim: channels of the features, the queries and the kernels.
        heads: attention heads.
        num_queries: N.
        num_classes: C.
        stages: a key of ``STAGES``.
        pooling: a key of ``POOLINGS``.
    """

    def __init__(
        self, dim: int, heads: int, num_queries: int, num_classes: int, stages: str, pooling: str
    ) -> None:
        super().__init__()
        self.sources = STAGES[stages]
        self.pooling = pooling
        self.queries = nn.Parameter(torch.randn(1, num_queries, dim))
        self.positions = nn.Parameter(torch.randn(1, num_queries, dim))
        self.stages = nn.ModuleList(DecoderStage(dim, heads) for _ in self.sources)
        self.class_head = nn.Linear(dim, num_classes)
        self.objectness_head = nn.Linear(dim, 1)
        self.kernel_head = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim)
        )
        start_at_prior(self.class_head)

    def initial_queries(self, batch: int) -> Tensor:
        """The learned queries, (B, N, D)."""
        return repeat_batch(self.queries, batch)

    def run_stage(
        self, index: int, queries: Tensor, mask_features: Tensor, global_features: Tensor
    ) -> Tensor:
        """Queries (B, N, D) after stage ``index``."""
        local = self.sources[index] == "local"
        features = self.local_features(mask_features) if local else global_features
        return self.stages[index](queries, self.positions, features)

    def local_features(self, mask_features: Tensor) -> Tensor:
        """X_L = f_pool(X_mask), (B, D, H/8, W/8) → (B, D, H/64, W/64) with the paper's kernel of 8."""
        kernel = POOLINGS[self.pooling]
        if kernel == 1:
            return mask_features
        if self.pooling.startswith("max"):
            return F.max_pool2d(mask_features, kernel, kernel)
        return F.avg_pool2d(mask_features, kernel, kernel, count_include_pad=False)

    def read(self, queries: Tensor) -> DecodedQueries:
        """Class, objectness and kernel heads."""
        return DecodedQueries(
            self.class_head(queries), self.objectness_head(queries), self.kernel_head(queries), queries
        )
