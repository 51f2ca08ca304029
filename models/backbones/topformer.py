"""TopFormer (Zhang et al., CVPR 2022): token pyramid, transformer on pooled tokens, semantic injection."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import (
    ConvMlp,
    ConvNorm,
    DropPath,
    InvertedResidual,
    Pyramid,
    SemanticInjection,
)

KEY_DIM = 16
VALUE_DIM = 32
MLP_RATIO = 2
DEPTH = 4


@dataclass(frozen=True)
class TopFormerSize:
    """One published size.

    Attributes:
        rows: (kernel, expansion, channels, stride) of each inverted residual after the 16-channel stem.
        taps: indices of the rows whose outputs, at strides 4, 8, 16 and 32, form the pyramid.
        heads: attention heads of the transformer.
        injected_channels: channels of the features after semantic injection in the published segmenter.
    """

    rows: tuple[tuple[int, int, int, int], ...]
    taps: tuple[int, int, int, int]
    heads: int
    injected_channels: int

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the tapped features."""
        return tuple(self.rows[tap][2] for tap in self.taps)


def _rows(c4: int, c8: int, c16: int, c32: int, last: tuple[tuple[int, int, int, int], ...] = ()) -> tuple:
    return (
        (3, 1, 16, 1), (3, 4, c4, 2), (3, 3, c4, 1), (5, 3, c8, 2), (5, 3, c8, 1),
        (3, 3, c16, 2), (3, 3, c16, 1), (5, 6, c32, 2), (5, 6, c32, 1), *last,
    )  # fmt: skip


TOPFORMER_SIZES = {
    "tiny": TopFormerSize(_rows(16, 32, 64, 96), (2, 4, 6, 8), heads=4, injected_channels=128),
    "small": TopFormerSize(_rows(24, 48, 96, 128, ((3, 6, 128, 1),)), (2, 4, 6, 9), 6, 192),
    "base": TopFormerSize(_rows(32, 64, 128, 160, ((3, 6, 160, 1),)), (2, 4, 6, 9), 8, 256),
}


class UnscaledAttention(nn.Module):
    """Attention over all tokens WITHOUT the usual 1/√d: TopFormer's weights were trained so."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = ConvNorm(channels, heads * KEY_DIM)
        self.key = ConvNorm(channels, heads * KEY_DIM)
        self.value = ConvNorm(channels, heads * VALUE_DIM)
        self.project = ConvNorm(heads * VALUE_DIM, channels, zero_init=True)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        query = self.query(x).reshape(batch * self.heads, KEY_DIM, height * width)
        key = self.key(x).reshape(batch * self.heads, KEY_DIM, height * width)
        value = self.value(x).reshape(batch * self.heads, VALUE_DIM, height * width)
        weights = torch.bmm(query.transpose(1, 2), key).softmax(dim=-1)
        out = torch.bmm(value, weights.transpose(1, 2))
        return self.project(F.relu6(out.reshape(batch, self.heads * VALUE_DIM, height, width)))


class TopFormerBlock(nn.Module):
    """Attention and feed-forward, each with a plain residual; there is no layer norm."""

    def __init__(self, channels: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.attention = UnscaledAttention(channels, heads)
        self.mlp = ConvMlp(channels, channels * MLP_RATIO)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(x))
        return x + self.drop_path(self.mlp(x))


class TopFormer(nn.Module):
    """TopFormer as a pyramid backbone.

    Args:
        size: the published size.
        out_channels: channels of X3, X4 and X5 after semantic injection; the published number by default.
        drop_path: stochastic depth of the last block; it grows linearly from 0.

    Attributes:
        channels: channels of X3, X4, X5 and X6.
        level_channels: those of ``levels``.
        size_multiple: the coarsest level's stride, which must divide height and width.
    """

    size_multiple = 64

    def __init__(
        self, size: TopFormerSize, out_channels: Optional[int] = None, drop_path: float = 0.1
    ) -> None:
        super().__init__()
        out_channels = out_channels or size.injected_channels
        self.split = list(size.channels)
        self.channels = (out_channels, out_channels, out_channels, sum(self.split))
        self.level_channels = (self.split[0], *self.channels)
        self.taps = size.taps
        self.stem = ConvNorm(3, 16, 3, stride=2, activation=nn.ReLU())
        inputs = (16, *(row[2] for row in size.rows))
        self.rows = nn.ModuleList(
            InvertedResidual(inputs[i], out, kernel, stride, expansion)
            for i, (kernel, expansion, out, stride) in enumerate(size.rows)
        )
        self.blocks = nn.ModuleList(
            TopFormerBlock(sum(self.split), size.heads, drop_path * i / (DEPTH - 1)) for i in range(DEPTH)
        )
        self.injections = nn.ModuleList(SemanticInjection(c, c, out_channels) for c in self.split[1:])

    def forward(self, x: Tensor) -> Pyramid:
        """Normalised images (B, 3, H, W), H and W multiples of 64 → the pyramid."""
        return Pyramid(*self.levels(x)[1:])

    def levels(self, x: Tensor) -> tuple[Tensor, ...]:
        """The tapped feature at stride 4, which nothing is injected into, and the pyramid."""
        stride = self.size_multiple
        if x.shape[-2] % stride or x.shape[-1] % stride:
            raise ValueError(
                f"TopFormer's input is {tuple(x.shape[-2:])}: height and width must be multiples of {stride}"
            )
        height, width = x.shape[-2] // stride, x.shape[-1] // stride
        x = self.stem(x)
        levels = []
        for i, row in enumerate(self.rows):
            x = row(x)
            if i in self.taps:
                levels.append(x)
        tokens = torch.cat([_pool_to(level, height, width) for level in levels], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        # Plain slices: torch.split leaves XNNPACK's delegate (executorch 1.4.1) and cuts the entry in two.
        ends = accumulate(self.split)
        slices = [tokens[:, end - c : end] for c, end in zip(self.split, ends)][1:]
        x3, x4, x5 = (
            injection(level, part) for injection, level, part in zip(self.injections, levels[1:], slices)
        )
        return levels[0], x3, x4, x5, tokens


def _pool_to(x: Tensor, height: int, width: int) -> Tensor:
    """Average pooling with a fixed kernel; equal to adaptive pooling, which falls out of the delegate."""
    kernel = (x.shape[-2] // height, x.shape[-1] // width)
    return F.avg_pool2d(x, kernel, kernel, count_include_pad=False)
