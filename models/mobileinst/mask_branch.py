"""Mask features of dense kernels, from a detector's neck. Ours."""

from __future__ import annotations

from torch import Tensor, nn

from mobilevis.models.backbones.yolox import ConvAct, Separable, YoloxFeatures, YoloxNano
from mobilevis.models.blocks.resampling import resize


class MaskBranch(nn.Module):
    """The neck's levels joined at stride 8, then, if asked, at stride 4 with the backbone's second stage.

    What is added up here meets a convolution before the next activation, so that each sum can be taken in the
    channels of its finest part: a 1×1 convolution on that, or after the last activation, would add nothing.

    Args:
        width: channels at stride 8.
        depth: blocks there, the first of which joins the levels.
        dim: D, channels of the result.
        finer: the result has stride 4.
    """

    def __init__(self, width: int, depth: int, dim: int, finer: bool) -> None:
        super().__init__()
        detail, finest, *coarser = YoloxNano.channels
        self.laterals = nn.ModuleList(nn.Conv2d(channels, finest, 1) for channels in coarser)
        self.joined = nn.Sequential(ConvAct(finest, width, 3), Separable(width, width, kernel_size=5))
        self.context = nn.ModuleList(Separable(width, width, kernel_size=5) for _ in range(depth - 1))
        for name, weights in self.context.named_parameters():
            if ".1." in name:  # a block's last convolution: it starts as nothing and is learned
                nn.init.zeros_(weights)
        self.reduce = nn.Conv2d(width, detail, 1) if finer else None
        self.fuse = ConvAct(detail if finer else width, dim, 3)

    def forward(self, features: YoloxFeatures) -> Tensor:
        """→ (B, D, H/4, W/4), or H/8, W/8."""
        size = features.n3.shape[-2:]
        coarse4, coarse5 = (lateral(x) for lateral, x in zip(self.laterals, features[2:]))
        x = self.joined(features.n3 + resize(coarse4, size) + resize(coarse5, size))
        for block in self.context:
            x = x + block(x)
        return self.refine(x, features.c2)

    def refine(self, joined: Tensor, detail: Tensor) -> Tensor:
        """What the levels say at stride 8, (B, width, H/8, W/8), and the second stage → as ``forward``."""
        if self.reduce is None:
            return self.fuse(joined)
        # Reduced before it is enlarged: the same numbers for a quarter of the work.
        return self.fuse(detail + resize(self.reduce(joined), detail.shape[-2:]))
