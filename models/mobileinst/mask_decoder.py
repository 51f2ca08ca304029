"""Mask decoders (MobileInst §3.3, Table 5): the pyramid X3, X4, X5 → mask features at 1/8."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import ConvNorm, Pyramid, SemanticInjection
from mobilevis.models.blocks.positions import coordinates
from mobilevis.models.blocks.resampling import pool_bins, resize

# Channels and activation, None for none → the convolution of a scale.
MakeConv = Callable[[int, Optional[nn.Module]], nn.Module]


def _dense(dim: int, activation: Optional[nn.Module]) -> ConvNorm:
    return ConvNorm(dim, dim, 3, activation=activation)


def _separable(dim: int, activation: Optional[nn.Module]) -> nn.Sequential:
    """5×5 in each channel, which sees as far as two 3×3, then 1×1 across them."""
    return nn.Sequential(ConvNorm(dim, dim, 5, groups=dim), ConvNorm(dim, dim, activation=activation))


class IterativeMaskDecoder(nn.Module):
    """The paper's: top-down, bottom-up and top-down again, a 3×3 convolution per scale and pass.

    The paper does not print the number of passes; nine convolutions of 256 channels are the reading that
    gives Table 5's FLOPs. The last one has no activation, so that mask features carry both signs.

    Args:
        dim: channels of X3, X4, X5 and of the mask features.
        global_channels: channels of X6.
        enhanced: with the two semantic enhancers at 1/32, where the first and the third pass start.
    """

    def __init__(self, dim: int, global_channels: int, enhanced: bool) -> None:
        super().__init__()
        self.down = nn.ModuleList(_dense(dim, nn.ReLU()) for _ in range(3))
        self.up = nn.ModuleList(_dense(dim, nn.ReLU()) for _ in range(3))
        self.final = _last_pass(dim, _dense)
        self.enhancers = nn.ModuleList(
            SemanticInjection(dim, global_channels, dim) for _ in range(2 if enhanced else 0)
        )

    def forward(self, pyramid: Pyramid) -> Tensor:
        x3, x4, x5, x6 = pyramid
        if self.enhancers:
            x5 = self.enhancers[0](x5, x6)
        x3, x4, x5 = _top_down(self.down, x3, x4, x5)
        x3 = self.up[0](x3)
        x4 = self.up[1](x4 + _halve(x3))
        x5 = self.up[2](x5 + _halve(x4))
        if self.enhancers:
            x5 = self.enhancers[1](x5, x6)
        return _top_down(self.final, x3, x4, x5)[0]


def _last_pass(dim: int, conv: MakeConv) -> nn.ModuleList:
    """A top-down pass whose result has no activation, so that mask features carry both signs."""
    return nn.ModuleList((conv(dim, nn.ReLU()), conv(dim, nn.ReLU()), conv(dim, None)))


def _top_down(convs: nn.ModuleList, x3: Tensor, x4: Tensor, x5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x5 = convs[0](x5)
    x4 = convs[1](x4 + resize(x5, x4.shape[-2:]))
    x3 = convs[2](x3 + resize(x4, x3.shape[-2:]))
    return x3, x4, x5


def _halve(x: Tensor) -> Tensor:
    """Bilinear halving, which is the mean of each 2×2 square."""
    return F.avg_pool2d(x, 2, 2, count_include_pad=False)


class LightMaskDecoder(nn.Module):
    """A single top-down pass from one semantic enhancer at 1/32, three convolutions in all. Ours.

    Args:
        dim: channels of X3, X4, X5 and of the mask features.
        global_channels: channels of X6.
        conv: makes the convolution of a scale from its activation, None for none.
    """

    def __init__(self, dim: int, global_channels: int, conv: MakeConv) -> None:
        super().__init__()
        self.enhancer = SemanticInjection(dim, global_channels, dim)
        self.down = _last_pass(dim, conv)

    def forward(self, pyramid: Pyramid) -> Tensor:
        x3, x4, x5, x6 = pyramid
        return _top_down(self.down, x3, x4, self.enhancer(x5, x6))[0]


class PyramidPooling(nn.Module):
    """Pyramid pooling of SparseInst's encoder: means of 1, 2, 3 and 6 bins a side, joined to the features."""

    BINS = (1, 2, 3, 6)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(ConvNorm(dim, dim // 4, activation=nn.ReLU()) for _ in self.BINS)
        self.fuse = ConvNorm(2 * dim, dim, activation=nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        pooled = [resize(conv(pool_bins(x, bins)), size) for bins, conv in zip(self.BINS, self.branches)]
        return self.fuse(torch.cat([*pooled, x], dim=1))


class FpnEncoder(nn.Module):
    """FPN, with pyramid pooling the encoder of SparseInst, its levels joined at 1/8.

    The top-down path upsamples bilinearly; SparseInst takes the nearest pixel, which XNNPACK lacks.

    Args:
        channels: of X3, X4 and X5.
        dim: channels of the result.
        pooling: with pyramid pooling on the coarsest level.
        coarsest: with a 3×3 convolution on the coarsest level too, as SparseInst's code has it. FPN's own
            wording (§3) is "on each merged map", and the coarsest level merges nothing.
    """

    def __init__(self, channels: Sequence[int], dim: int, pooling: bool, coarsest: bool) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(c, dim) for c in channels)
        self.pooling = PyramidPooling(dim) if pooling else nn.Identity()
        self.merged = nn.ModuleList(ConvNorm(dim, dim, 3) for _ in range(2))
        self.coarsest = ConvNorm(dim, dim, 3) if coarsest else nn.Identity()
        self.fuse = ConvNorm(3 * dim, dim)

    def forward(self, x3: Tensor, x4: Tensor, x5: Tensor) -> Tensor:
        """X3, X4 and X5 → (B, dim, H/8, W/8)."""
        x3, x4, x5 = (lateral(x) for lateral, x in zip(self.laterals, (x3, x4, x5)))
        size = x3.shape[-2:]
        x5 = self.pooling(x5)
        x4 = x4 + resize(x5, x4.shape[-2:])
        x3 = x3 + resize(x4, size)
        x3, x4, x5 = self.merged[0](x3), self.merged[1](x4), self.coarsest(x5)
        return self.fuse(torch.cat([x3, resize(x4, size), resize(x5, size)], dim=1))


def stacked_convs(in_channels: int, dim: int, count: int) -> nn.Sequential:
    """``count`` 3×3 convolutions with ReLU."""
    inputs = [in_channels, *[dim] * (count - 1)]
    return nn.Sequential(*(ConvNorm(c, dim, 3, activation=nn.ReLU()) for c in inputs))


class FpnMaskDecoder(nn.Module):
    """Table 5's other decoders: FPN or SparseInst's encoder, then SparseInst's mask branch.

    The mask branch is 3×3 convolutions on the features and two coordinate channels, and a 1×1 projection to
    the kernels' D. With no convolution on the coarsest level this is within 0.01 G of Table 5's three rows at
    320×640; with SparseInst's own it is 0.118 G above them.

    Args:
        dim: channels of X3, X4, X5 and of the mask features.
        convs: 3×3 convolutions of the mask branch.
        pooling: with pyramid pooling on the coarsest level.
    """

    def __init__(self, dim: int, convs: int, pooling: bool) -> None:
        super().__init__()
        self.encoder = FpnEncoder((dim, dim, dim), dim, pooling, coarsest=False)
        self.branch = stacked_convs(dim + 2, dim, convs)
        self.project = nn.Conv2d(dim, dim, 1)

    def forward(self, pyramid: Pyramid) -> Tensor:
        features = self.encoder(*pyramid[:3])
        return self.project(self.branch(torch.cat([coordinates(features), features], dim=1)))


MASK_DECODERS: dict[str, Callable[[int, int], nn.Module]] = {
    "fpn-1conv": lambda dim, _: FpnMaskDecoder(dim, convs=1, pooling=False),
    "sparseinst-1conv": lambda dim, _: FpnMaskDecoder(dim, convs=1, pooling=True),
    "sparseinst-4conv": lambda dim, _: FpnMaskDecoder(dim, convs=4, pooling=True),
    "iterative": lambda dim, global_channels: IterativeMaskDecoder(dim, global_channels, enhanced=False),
    "iterative-se": lambda dim, global_channels: IterativeMaskDecoder(dim, global_channels, enhanced=True),
    "light": lambda dim, global_channels: LightMaskDecoder(dim, global_channels, _dense),
    "light-separable": lambda dim, global_channels: LightMaskDecoder(dim, global_channels, _separable),
}
