"""The feature pyramid network (Lin et al., 2017, §3): levels of one width that hold the coarser ones."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mobilevis.models.blocks.resampling import resize


class FeaturePyramid(nn.Module):
    """1×1 laterals, a top-down pass and a 3×3 convolution a level, without norms.

    Upsampling is bilinear where the paper repeats the nearest cell, which falls out of XNNPACK's delegate.

    Args:
        channels: of the backbone's levels, finest first.
        dim: channels of the result.
    """

    def __init__(self, channels: Sequence[int], dim: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(width, dim, 1) for width in channels)
        self.outputs = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in channels)
        for conv in (*self.laterals, *self.outputs):
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The backbone's levels (B, C_l, H_l, W_l), finest first → (B, dim, H_l, W_l) each."""
        levels = [lateral(feature) for lateral, feature in zip(self.laterals, features)]
        for fine in range(len(levels) - 2, -1, -1):
            levels[fine] = levels[fine] + resize(levels[fine + 1], levels[fine].shape[-2:])
        return [output(level) for output, level in zip(self.outputs, levels)]
