"""Mask decoders (MobileInst §3.3, Table 5): the pyramid X3, X4, X5 → mask features at 1/8."""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.layers import ConvNorm, Pyramid, SemanticInjection, coordinates, pool_bins, resize


def _conv(dim: int) -> ConvNorm:
    return ConvNorm(dim, dim, 3, activation=nn.ReLU())


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
        self.down = nn.ModuleList(_conv(dim) for _ in range(3))
        self.up = nn.ModuleList(_conv(dim) for _ in range(3))
        self.final = nn.ModuleList((_conv(dim), _conv(dim), ConvNorm(dim, dim, 3)))
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


def _top_down(convs: nn.ModuleList, x3: Tensor, x4: Tensor, x5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x5 = convs[0](x5)
    x4 = convs[1](x4 + resize(x5, x4.shape[-2:]))
    x3 = convs[2](x3 + resize(x4, x3.shape[-2:]))
    return x3, x4, x5


def _halve(x: Tensor) -> Tensor:
    """Bilinear halving, which is the mean of each 2×2 square."""
    return F.avg_pool2d(x, 2, 2, count_include_pad=False)


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


class FpnMaskDecoder(nn.Module):
    """FPN, with pyramid pooling the encoder of SparseInst, and a mask branch of 3×3 convolutions (Table 5).

    Laterals, top-down sums, 3×3 on each merged map, the levels joined at 1/8 by a 1×1; then SparseInst's mask
    branch on these and two coordinate channels, with its 1×1 projection to the kernels' channels.

    Where SparseInst's code and Table 5 part, this follows the table and meets its three rows within 0.008 G:
    kernels have 256 channels where SparseInst's have 128 (Table 6's slope per query), and X5, which merges
    nothing, has no 3×3, as in FPN's paper. The code's own choices, a 3×3 on X5 and 128 channels, are off by
    0.026 to 0.033 G; either one alone, or no projection, by 0.08 G or more.

    Args:
        dim: channels of X3, X4, X5 and of the mask features.
        convs: 3×3 convolutions of the mask branch.
        pooling: with pyramid pooling on the coarsest level.
    """

    def __init__(self, dim: int, convs: int, pooling: bool) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(dim, dim) for _ in range(3))
        self.pooling = PyramidPooling(dim) if pooling else nn.Identity()
        self.merged = nn.ModuleList(ConvNorm(dim, dim, 3) for _ in range(2))
        self.fuse = ConvNorm(3 * dim, dim)
        self.branch = nn.Sequential(
            *(ConvNorm(dim + 2 if i == 0 else dim, dim, 3, activation=nn.ReLU()) for i in range(convs)),
            nn.Conv2d(dim, dim, 1),
        )

    def forward(self, pyramid: Pyramid) -> Tensor:
        x3, x4, x5 = (lateral(x) for lateral, x in zip(self.laterals, pyramid[:3]))
        size = x3.shape[-2:]
        x5 = self.pooling(x5)
        x4 = x4 + resize(x5, x4.shape[-2:])
        x3 = x3 + resize(x4, size)
        x3, x4 = (conv(x) for conv, x in zip(self.merged, (x3, x4)))
        joined = self.fuse(torch.cat([x3, resize(x4, size), resize(x5, size)], dim=1))
        return self.branch(torch.cat([coordinates(joined), joined], dim=1))


MASK_DECODERS: dict[str, Callable[[int, int], nn.Module]] = {
    "fpn-1conv": lambda dim, _: FpnMaskDecoder(dim, convs=1, pooling=False),
    "sparseinst-1conv": lambda dim, _: FpnMaskDecoder(dim, convs=1, pooling=True),
    "sparseinst-4conv": lambda dim, _: FpnMaskDecoder(dim, convs=4, pooling=True),
    "iterative": lambda dim, global_channels: IterativeMaskDecoder(dim, global_channels, enhanced=False),
    "iterative-se": lambda dim, global_channels: IterativeMaskDecoder(dim, global_channels, enhanced=True),
}
