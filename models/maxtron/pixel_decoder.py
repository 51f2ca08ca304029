"""The pixel decoder of k-means Mask Transformer (ECCV 2022): axial attention at strides 32 and 16."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import ConvNorm, LayerNorm
from mobilevis.models.blocks.positions import sine_positions
from mobilevis.models.blocks.resampling import resize

EXPANSION = 4


class AxialAttention(nn.Module):
    """Attention along the height, then the width, of (B, C, H, W) maps (Axial-DeepLab).

    Positions are sine embeddings where Axial-DeepLab learns relative ones: these need a table of products
    with every query, which no engine for phones fuses.

    Args:
        channels: of the input.
        filters: channels of queries and keys; values have twice as many, and so has the output.
        heads: attention heads.
    """

    def __init__(self, channels: int, filters: int, heads: int) -> None:
        super().__init__()
        self.filters, self.heads = filters, heads
        self.project = nn.ModuleList(ConvNorm(c, 4 * filters) for c in (channels, 2 * filters))
        self.norms = nn.ModuleList(nn.BatchNorm2d(2 * filters) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for axis, project, norm in zip((2, 3), self.project, self.norms):
            x = norm(self._attend(project(x + plane_positions(x)), axis))
        return x

    def _attend(self, qkv: Tensor, axis: int) -> Tensor:
        """(B, 2·filters + values, H, W) → (B, values, H, W)."""
        batch, _, height, width = qkv.shape
        lines, length = (width, height) if axis == 2 else (height, width)
        order = (0, 4, 1, 3, 2) if axis == 2 else (0, 3, 1, 4, 2)
        heads, size = self.heads, self.filters // self.heads

        def rows(x: Tensor, channels: int) -> Tensor:
            x = x.reshape(batch, heads, channels, height, width).permute(order)
            return x.reshape(batch * lines * heads, length, channels)

        q = rows(qkv[:, : self.filters], size) * size**-0.5
        k = rows(qkv[:, self.filters : 2 * self.filters], size)
        v = rows(qkv[:, 2 * self.filters :], 2 * size)
        out = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(dim=-1), v)
        back = (0, 2, 4, 3, 1) if axis == 2 else (0, 2, 4, 1, 3)
        out = out.view(batch, lines, heads, length, 2 * size).permute(back)
        return out.reshape(batch, 2 * self.filters, height, width)


def plane_positions(x: Tensor) -> Tensor:
    """The sine embedding of a map's cells, as a map (1, C, H, W)."""
    _, channels, height, width = x.shape
    table = sine_positions(height, width, channels, x)
    return table.transpose(1, 2).reshape(1, channels, height, width)


class Block(nn.Module):
    """A residual bottleneck with GELU before it: 1×1, axial attention or 3×3, 1×1; its last norm starts at 0.

    Args:
        channels: of the input.
        filters: base width; the output has 4 times as many channels.
        heads: of axial attention; 0 for a 3×3 convolution.
    """

    def __init__(self, channels: int, filters: int, heads: int) -> None:
        super().__init__()
        out = EXPANSION * filters
        wide = 2 * filters if heads else filters
        self.reduce = ConvNorm(channels, wide, activation=nn.GELU())
        self.mix: nn.Module = (
            nn.Sequential(AxialAttention(wide, filters, heads), nn.GELU())
            if heads
            else ConvNorm(filters, filters, 3, activation=nn.GELU())
        )
        self.expand = ConvNorm(wide, out, zero_init=True)
        self.shortcut = nn.Identity() if channels == out else ConvNorm(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(x)
        return self.shortcut(x) + self.expand(self.mix(self.reduce(x)))


class KMaxPixelDecoder(nn.Module):
    """Top-down over strides 32, 16, 8, 4: axial blocks at the first two, bottlenecks at the others.

    Args:
        channels: of the input levels at strides 4, 8, 16 and 32.
        filters: base widths at strides 32, 16, 8 and 4; an output has 4 times as many channels.
        blocks: blocks at strides 32, 16, 8 and 4.
        heads: of axial attention.

    Attributes:
        channels: of the outputs at strides 32, 16, 8 and 4.
    """

    def __init__(
        self, channels: Sequence[int], filters: Sequence[int], blocks: Sequence[int], heads: int
    ) -> None:
        super().__init__()
        self.channels = tuple(EXPANSION * width for width in filters)
        inputs = list(reversed(channels))
        self.norms = nn.ModuleList(LayerNorm(c) for c in inputs)
        self.stages, self.lower, self.laterals = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for stage, (width, count) in enumerate(zip(filters, blocks)):
            if stage:
                self.lower.append(ConvNorm(EXPANSION * filters[stage - 1], width))
                self.laterals.append(ConvNorm(inputs[stage], width))
            first = width if stage else inputs[0]
            attention = heads if stage < 2 else 0
            self.stages.append(
                nn.Sequential(
                    *(Block(first if i == 0 else EXPANSION * width, width, attention) for i in range(count))
                )
            )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features at strides 4, 8, 16 and 32 → (B, 4·filters, H/s, W/s) for s = 32, 16, 8, 4."""
        levels: list[Tensor] = []
        for stage, x in enumerate(reversed(features)):
            x = self.norms[stage](x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            if levels:
                lower = resize(self.lower[stage - 1](F.gelu(levels[-1])), x.shape[-2:])
                x = lower + self.laterals[stage - 1](F.gelu(x))
            levels.append(self.stages[stage](x))
        return levels
