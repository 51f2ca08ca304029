"""EfficientNet-Lite (Tan and Le, ICML 2019; Google's Lite sizes, 2020): inverted residuals for integers.

Against EfficientNet it has ReLU6 for swish, no squeeze-and-excitation, and a stem that does not grow: what
int8 kernels and delegates dislike is gone. The published weights see images in [-1, 1] and TensorFlow's
padding, both of which are kept: a stride of 2 pads an even side at its end alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import IMAGENET_MEAN, IMAGENET_STD, ConvNorm, DropPath, Pyramid

STEM = 32
HALF_RANGE = 127.5  # the published weights see (image − 127.5) / 127.5
NORM_EPS = 1e-3  # TensorFlow's
# (kernel, expansion, channels, blocks, stride) of each stage of EfficientNet-B0.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
TAPS = (1, 2, 4, 6)  # the stages that end at strides 4, 8, 16 and 32


@dataclass(frozen=True)
class EfficientNetSize:
    """How much wider and deeper than EfficientNet-B0 one size is."""

    width: float
    depth: float

    @property
    def stages(self) -> list[tuple[int, int, int, int, int]]:
        """``STAGES`` of this size; the first and the last one are not deepened."""
        last = len(STAGES) - 1
        return [
            (
                kernel,
                expansion,
                round_channels(channels * self.width),
                blocks if index in (0, last) else math.ceil(blocks * self.depth),
                stride,
            )
            for index, (kernel, expansion, channels, blocks, stride) in enumerate(STAGES)
        ]


EFFICIENTNET_LITES = {
    "efficientnet-lite0": EfficientNetSize(1.0, 1.0),
    "efficientnet-lite1": EfficientNetSize(1.0, 1.1),
    "efficientnet-lite2": EfficientNetSize(1.1, 1.2),
}


def round_channels(channels: float) -> int:
    """The nearest multiple of 8 that is not less by more than a tenth.

    >>> round_channels(17.6), round_channels(44.0)
    (16, 48)
    """
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


class PaddedConvNorm(ConvNorm):
    """``ConvNorm`` with TensorFlow's padding and epsilon, and ReLU6 where it ``acts``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        acts: bool = True,
    ) -> None:
        activation = nn.ReLU6() if acts else None
        super().__init__(in_channels, out_channels, kernel_size, stride, groups, activation)
        self.norm.eps = NORM_EPS
        self.before, self.after = 0, 0
        if stride == 2:
            self.conv.padding = (0, 0)
            self.before, self.after = (kernel_size - 2) // 2, (kernel_size - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        if self.after:
            x = F.pad(x, (self.before, self.after, self.before, self.after))
        return super().forward(x)


class LiteBlock(nn.Module):
    """Expand 1×1, depth-wise k×k, project 1×1 without activation; residual where it can be."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int, rate: float
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.expand = PaddedConvNorm(in_channels, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = PaddedConvNorm(hidden, hidden, kernel, stride, groups=hidden)
        self.project = PaddedConvNorm(hidden, out_channels, acts=False)
        self.drop_path = DropPath(rate)

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.depthwise(self.expand(x)))
        return x + self.drop_path(out) if self.residual else out


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite as a pyramid backbone.

    Args:
        size: one of ``EFFICIENTNET_LITES``.
        drop_path: stochastic depth of the last block; it grows linearly from 0.

    Attributes:
        channels: channels of X3, X4, X5 and X6; X6 is X5 averaged over 2×2 and has no weights, ours.
        level_channels: those of ``levels``.
        size_multiple: the coarsest level's stride, which must divide height and width.
    """

    size_multiple = 64
    scale: Tensor
    shift: Tensor

    def __init__(self, size: EfficientNetSize, drop_path: float = 0.1) -> None:
        super().__init__()
        std, mean = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_STD, IMAGENET_MEAN))
        self.register_buffer("scale", std / HALF_RANGE, persistent=False)
        self.register_buffer("shift", (mean - HALF_RANGE) / HALF_RANGE, persistent=False)
        stages = size.stages
        self.level_channels = (*(stages[tap][2] for tap in TAPS), stages[-1][2])
        self.channels = self.level_channels[1:]
        self.stem = PaddedConvNorm(3, STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        last = sum(blocks for *_, blocks, _ in stages) - 1
        in_channels, count = STEM, 0
        for kernel, expansion, channels, blocks, stride in stages:
            stage = nn.Sequential()
            for index in range(blocks):
                rate = drop_path * count / last
                step = stride if index == 0 else 1
                stage.append(LiteBlock(in_channels, channels, kernel, step, expansion, rate))
                in_channels, count = channels, count + 1
            self.stages.append(stage)

    def forward(self, x: Tensor) -> Pyramid:
        """Images normalised as ImageNet's, (B, 3, H, W), H and W multiples of 64 → the pyramid."""
        return Pyramid(*self.levels(x)[1:])

    def levels(self, x: Tensor) -> tuple[Tensor, ...]:
        """The feature at stride 4, and the pyramid."""
        if x.shape[-2] % self.size_multiple or x.shape[-1] % self.size_multiple:
            size, multiple = tuple(x.shape[-2:]), self.size_multiple
            raise ValueError(
                f"EfficientNet's input is {size}: height and width must be multiples of {multiple}"
            )
        x = self.stem(x * self.scale + self.shift)
        levels = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in TAPS:
                levels.append(x)
        return (*levels, F.avg_pool2d(x, 2, 2, count_include_pad=False))
