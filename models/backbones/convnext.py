"""ConvNeXt (Liu et al., CVPR 2022) and ConvNeXt V2 (Woo et al., CVPR 2023) as pyramid backbones.

All in (B, C, H, W): norms take their means as 1×1 convolutions, and points their layers as such, which the
delegates take whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The papers' sizes (ConvNeXt, §3; V2, Appendix A.1): widths, blocks of the stages, and V2's response norm in
# place of the layer scale.
CONVNEXTS: dict[str, dict[str, Any]] = {
    "convnext-tiny": {"widths": (96, 192, 384, 768), "depths": (3, 3, 9, 3)},
    "convnext-small": {"widths": (96, 192, 384, 768), "depths": (3, 3, 27, 3)},
    "convnext-base": {"widths": (128, 256, 512, 1024), "depths": (3, 3, 27, 3)},
    "convnext-large": {"widths": (192, 384, 768, 1536), "depths": (3, 3, 27, 3)},
    "convnextv2-tiny": {"widths": (96, 192, 384, 768), "depths": (3, 3, 9, 3), "response_norm": True},
    "convnextv2-base": {"widths": (128, 256, 512, 1024), "depths": (3, 3, 27, 3), "response_norm": True},
    "convnextv2-large": {"widths": (192, 384, 768, 1536), "depths": (3, 3, 27, 3), "response_norm": True},
}
EXPANSION = 4
LAYER_SCALE = 1e-6  # at the start


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (B, C, H, W)."""

    averaging: Tensor

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("averaging", mean_kernel(channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        centred = x - F.conv2d(x, self.averaging)
        variance = F.conv2d(centred * centred, self.averaging)
        normal = centred * torch.rsqrt(variance + self.eps)
        return normal * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


class ResponseNorm(nn.Module):
    """Global response norm (V2, Eq. 1–3): a channel counts by its share in the mean norm of all channels."""

    averaging: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("averaging", mean_kernel(channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        cells = x.shape[2] * x.shape[3]
        norms = ((x * x).mean([2, 3], keepdim=True) * cells).sqrt()
        shares = norms / (F.conv2d(norms, self.averaging) + 1e-6)
        return x + x * shares * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


def mean_kernel(channels: int) -> Tensor:
    """The 1×1 convolution that takes the mean of all channels, (1, C, 1, 1)."""
    return torch.full((1, channels, 1, 1), 1.0 / channels)


class Block(nn.Module):
    """Depth-wise 7×7, norm, 1×1 to four times the width, GELU, 1×1 back; residual."""

    def __init__(self, channels: int, response_norm: bool) -> None:
        super().__init__()
        hidden = EXPANSION * channels
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = ChannelNorm(channels)
        self.expand = nn.Conv2d(channels, hidden, 1)
        self.response = ResponseNorm(hidden) if response_norm else nn.Identity()
        self.project = nn.Conv2d(hidden, channels, 1)
        self.scale = None if response_norm else nn.Parameter(torch.full((channels,), LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        branch = self.project(self.response(F.gelu(self.expand(self.norm(self.depthwise(x))))))
        return x + (branch if self.scale is None else branch * self.scale.view(1, -1, 1, 1))


class ConvNeXt(nn.Module):
    """A ConvNeXt with random weights. Its levels are not normed, as kMaX-DeepLab reads them.

    Args:
        name: a key of ``CONVNEXTS``.
        first: the first level that is returned: 2 for stride 4, 3 for stride 8.

    Attributes:
        level_channels: channels of the levels, from ``first`` to the fifth, at stride 32.
        size_multiple: the coarsest level's stride, which must divide height and width.
    """

    size_multiple = 32

    def __init__(self, name: str, first: int = 2) -> None:
        super().__init__()
        size = CONVNEXTS[name]
        widths: Sequence[int] = size["widths"]
        self.skipped = first - 2
        self.level_channels = tuple(widths[self.skipped :])
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, stride=4), ChannelNorm(widths[0]))
        self.downsamples = nn.ModuleList(
            nn.Sequential(ChannelNorm(fine), nn.Conv2d(fine, coarse, 2, stride=2))
            for fine, coarse in zip(widths, widths[1:])
        )
        response_norm: bool = size.get("response_norm", False)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width, response_norm) for _ in range(depth)))
            for width, depth in zip(widths, size["depths"])
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def levels(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, 3, H, W) → the levels, finest first."""
        levels = [self.stages[0](self.stem(images))]
        for downsample, stage in zip(self.downsamples, self.stages[1:]):
            levels.append(stage(downsample(levels[-1])))
        return tuple(levels[self.skipped :])
