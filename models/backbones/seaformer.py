"""SeaFormer (Wan et al., ICLR 2023): squeeze-enhanced axial attention on MobileNetV2 stages."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import (
    ConvMlp,
    ConvNorm,
    DropPath,
    InvertedResidual,
    Pyramid,
    hard_sigmoid,
)
from mobilevis.models.blocks.resampling import interpolate_linear

POSITIONS = 16
ATTENTION_RATIO = 2

Row = tuple[int, int, int, int]


@dataclass(frozen=True)
class SeaFormerSize:
    """One published size; a transformer follows each of the last ``len(depths)`` of the five stages.

    Attributes:
        stem: channels of the stem.
        stages: for each stage, (kernel, expansion, channels, stride) of its inverted residuals.
        key_dims: key dimension per head of each transformer; the value dimension is twice that.
        depths: blocks of each transformer.
        mlp_ratios: expansion of each transformer's feed-forward part.
        heads: attention heads.
        fused_channels: channels of the published segmentation head's fusion steps.
    """

    stem: int
    stages: tuple[tuple[Row, ...], ...]
    key_dims: tuple[int, ...]
    depths: tuple[int, ...]
    mlp_ratios: tuple[int, ...]
    heads: int
    fused_channels: tuple[int, ...]

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels at strides 4, 8, 16, 32 and 64."""
        return tuple(stage[-1][2] for stage in self.stages)


def _stages(c4: int, c8: int, c16: int, c32: int, c64: int, expansion: int) -> tuple[tuple[Row, ...], ...]:
    return (
        ((3, 1, 16, 1), (3, 4, c4, 2), (3, 3, c4, 1)),
        ((5, 3, c8, 2), (5, 3, c8, 1)),
        ((3, 3, c16, 2), (3, 3, c16, 1)),
        ((5, expansion, c32, 2),),
        ((3, 6, c64, 2),),
    )


SEAFORMER_SIZES = {
    "tiny": SeaFormerSize(16, _stages(16, 32, 64, 128, 160, 3), (16, 24), (2, 2), (2, 4), 4, (64, 96)),
    "small": SeaFormerSize(16, _stages(24, 48, 96, 160, 192, 4), (16, 24), (3, 3), (2, 4), 6, (96, 128)),
    "base": SeaFormerSize(16, _stages(32, 64, 128, 192, 256, 4), (16, 24), (4, 4), (2, 4), 8, (128, 160)),
    "large": SeaFormerSize(
        32,
        (
            ((3, 3, 32, 1), (3, 4, 64, 2), (3, 4, 64, 1)),
            ((5, 4, 128, 2), (5, 4, 128, 1)),
            ((3, 4, 192, 2), (3, 4, 192, 1)),
            ((5, 4, 256, 2),),
            ((3, 6, 320, 2),),
        ),
        (16, 20, 24), (3, 3, 3), (2, 4, 6), 8, (128, 160, 192),
    ),
}  # fmt: skip


class AxialPositions(nn.Module):
    """A learned embedding of 16 positions, interpolated linearly to the axis's length."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(1, channels, POSITIONS))

    def forward(self, length: int) -> Tensor:
        """→ (1, C, length)."""
        return interpolate_linear(self.embedding, length)


class AxisAttention(nn.Module):
    """Scaled attention along one axis of features that were averaged over the other."""

    def __init__(self, heads: int, key_dim: int) -> None:
        super().__init__()
        self.heads, self.key_dim = heads, key_dim
        self.scale = key_dim**-0.5
        value_channels = heads * key_dim * ATTENTION_RATIO
        self.query_positions = AxialPositions(heads * key_dim)
        self.key_positions = AxialPositions(heads * key_dim)
        self.project = ConvNorm(value_channels, value_channels, zero_init=True)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Squeezed features (B, C, H, 1) or (B, C, 1, W) → attended values of the same layout."""
        batch, channels, height, width = value.shape
        length = height * width
        groups = batch * self.heads
        q = query.flatten(2) + self.query_positions(length)
        k = key.flatten(2) + self.key_positions(length)
        q, k = q.reshape(groups, self.key_dim, length), k.reshape(groups, self.key_dim, length)
        v = value.reshape(groups, channels // self.heads, length)
        weights = (torch.bmm(q.transpose(1, 2), k) * self.scale).softmax(dim=-1)
        out = torch.bmm(v, weights.transpose(1, 2)).reshape(batch, channels, height, width)
        return self.project(F.relu6(out))


class SeaAttention(nn.Module):
    """Axial attention on squeezed rows and columns, gating a convolutional detail branch."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        key_channels = heads * key_dim
        value_channels = key_channels * ATTENTION_RATIO
        joint = 2 * key_channels + value_channels
        self.query = ConvNorm(channels, key_channels)
        self.key = ConvNorm(channels, key_channels)
        self.value = ConvNorm(channels, value_channels)
        self.detail_depthwise = ConvNorm(joint, joint, 3, groups=joint)
        self.detail_project = ConvNorm(joint, channels)
        self.rows = AxisAttention(heads, key_dim)
        self.columns = AxisAttention(heads, key_dim)
        self.project = ConvNorm(value_channels, channels, zero_init=True)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self.key(x), self.value(x)
        detail = F.relu6(self.detail_depthwise(torch.cat([query, key, value], dim=1)))
        height, width = x.shape[-2:]
        rows = self.rows(*(_mean_over(t, (1, width)) for t in (query, key, value)))
        columns = self.columns(*(_mean_over(t, (height, 1)) for t in (query, key, value)))
        gate = hard_sigmoid(self.project(F.relu6(value + (rows + columns))))
        return gate * self.detail_project(detail)


def _mean_over(x: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Mean over one axis as fixed pooling: the delegate takes no mean over a single axis."""
    if kernel == (1, 1):
        return x
    return F.avg_pool2d(x, kernel, kernel, count_include_pad=False)


class SeaFormerBlock(nn.Module):
    """Attention and feed-forward, each with a plain residual."""

    def __init__(self, channels: int, heads: int, key_dim: int, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.attention = SeaAttention(channels, heads, key_dim)
        self.mlp = ConvMlp(channels, channels * mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(x))
        return x + self.drop_path(self.mlp(x))


class SeaFormer(nn.Module):
    """SeaFormer as a pyramid backbone.

    Args:
        size: the published size.
        drop_path: stochastic depth of each transformer's last block; it grows linearly from 0.

    Attributes:
        channels: channels of X3, X4, X5 and X6.
        level_channels: those of ``levels``.
        size_multiple: the coarsest level's stride, which must divide height and width.
    """

    size_multiple = 64

    def __init__(self, size: SeaFormerSize, drop_path: float = 0.1) -> None:
        super().__init__()
        self.level_channels = size.channels
        self.channels = size.channels[1:]
        self.stem = ConvNorm(3, size.stem, 3, stride=2, activation=nn.ReLU())
        self.stages = nn.ModuleList()
        in_channels = size.stem
        for rows in size.stages:
            stage = nn.Sequential()
            for kernel, expansion, out_channels, stride in rows:
                stage.append(InvertedResidual(in_channels, out_channels, kernel, stride, expansion))
                in_channels = out_channels
            self.stages.append(stage)
        plain = len(size.stages) - len(size.depths)
        self.transformers = nn.ModuleList(nn.Identity() for _ in range(plain))
        for i, depth in enumerate(size.depths):
            rates = (drop_path * n / (depth - 1) for n in range(depth))
            block = (size.channels[plain + i], size.heads, size.key_dims[i], size.mlp_ratios[i])
            self.transformers.append(nn.Sequential(*(SeaFormerBlock(*block, rate) for rate in rates)))

    def forward(self, x: Tensor) -> Pyramid:
        """Normalised images (B, 3, H, W) → the pyramid; any size whose features have at least one pixel."""
        return Pyramid(*self.levels(x)[1:])

    def levels(self, x: Tensor) -> tuple[Tensor, ...]:
        """The feature at stride 4, and the pyramid."""
        x = self.stem(x)
        levels = []
        for stage, transformer in zip(self.stages, self.transformers):
            x = transformer(stage(x))
            levels.append(x)
        return tuple(levels)
