"""YOLOX-Nano (Ge et al., 2021): CSPDarknet with depthwise convolutions, PAFPN and decoupled head.

Batch norms are folded into the convolutions, as in the published ONNX file, whose weights
``mobilevis.models.weights.yolox`` reads. The space-to-depth stem is the equal 6×6 convolution of stride 2,
and pooling by 9 and 13 is pooling by 5 repeated: operators that every delegate takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.folding import fixed_conv
from mobilevis.models.blocks.layers import start_at_prior

STRIDES = (8, 16, 32)
HEAD_CHANNELS = 64


class YoloxFeatures(NamedTuple):
    """(B, C, H/stride, W/stride): the second stage at stride 4 and the neck's levels at 8, 16 and 32."""

    c2: Tensor
    n3: Tensor
    n4: Tensor
    n5: Tensor


class CellFeatures(NamedTuple):
    """What the head computes for each cell of one level, (B, C, h, w).

    Attributes:
        stem, class_tower, box_tower: 64 channels each.
        class_logits: C classes.
        boxes: 4: centre less the cell's corner (x, y), and log size (w, h), in strides.
        objectness: 1 logit.
    """

    stem: Tensor
    class_tower: Tensor
    box_tower: Tensor
    class_logits: Tensor
    boxes: Tensor
    objectness: Tensor


class ConvAct(nn.Module):
    """Convolution with bias, and SiLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        padding: Optional[int] = None,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2 if padding is None else padding
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.conv(x))


class Separable(nn.Sequential):
    """Depthwise, 3×3 by default, and 1×1, each with SiLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3) -> None:
        super().__init__(
            ConvAct(in_channels, in_channels, kernel_size, stride, groups=in_channels),
            ConvAct(in_channels, out_channels),
        )


class Bottleneck(nn.Module):
    """1×1 and a separable 3×3, residual or not."""

    def __init__(self, channels: int, residual: bool) -> None:
        super().__init__()
        self.reduce = ConvAct(channels, channels)
        self.conv = Separable(channels, channels)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(self.reduce(x))
        return x + out if self.residual else out


class CrossStage(nn.Module):
    """Cross-stage partial block: bottlenecks on one half of the channels, both halves joined.

    Args:
        in_channels: of what is read, of the finest level where it is several.
        out_channels: of the result.
        depth: number of bottlenecks.
        residual: whether these are residual.
        entrance: makes what reads the level or levels, from ``in_channels`` and one half's channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth: int,
        residual: bool = True,
        entrance: Callable[[int, int], nn.Module] = ConvAct,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.main = entrance(in_channels, half)
        self.bypass = entrance(in_channels, half)
        self.blocks = nn.Sequential(*(Bottleneck(half, residual) for _ in range(depth)))
        self.join = ConvAct(2 * half, out_channels)

    def forward(self, *levels: Tensor) -> Tensor:
        return self.join(torch.cat([self.blocks(self.main(*levels)), self.bypass(*levels)], dim=1))


class JoinedLevels(nn.Module):
    """1×1 convolution with SiLU of a level and the next coarser one, whose sides are half as long.

    Folded it is a sum of two, the coarse one before its result is enlarged: the same numbers for 0.62 of the
    products, and nothing is joined.
    """

    def __init__(self, coarse_channels: int, fine_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(coarse_channels + fine_channels, out_channels, 1)
        self.split = (coarse_channels, fine_channels)
        self.coarse: Optional[nn.Conv2d] = None
        self.fine: Optional[nn.Conv2d] = None

    def fold(self) -> None:
        """Part the weights; once for all."""
        if self.coarse is None:
            coarse, fine = self.conv.weight.detach().split(self.split, dim=1)
            self.coarse, self.fine = fixed_conv(coarse, self.conv.bias), fixed_conv(fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        if self.coarse is None or self.fine is None:
            return F.silu(self.conv(torch.cat([_double(coarse), fine], dim=1)))
        return F.silu(self.fine(fine) + _double(self.coarse(coarse)))


class PoolPyramid(nn.Module):
    """Spatial pyramid pooling by 5, 9 and 13."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = ConvAct(channels, channels // 2)
        self.join = ConvAct(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [self.reduce(x)]
        for _ in range(3):
            # The stride must be given: executorch 1.4.1 crashes without it.
            pooled.append(F.max_pool2d(pooled[-1], 5, stride=1, padding=2))
        return self.join(torch.cat(pooled, dim=1))


class YoloxNano(nn.Module):
    """Backbone and neck; frames are RGB in [0, 255], sides multiples of 32.

    Modules are defined in the order in which they run, which is the order of the published file.
    """

    channels = (32, 64, 128, 256)  # of YoloxFeatures

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvAct(3, 16, 6, 2, padding=2)
        self.stage2 = nn.Sequential(Separable(16, 32, 2), CrossStage(32, 32, 1))
        self.stage3 = nn.Sequential(Separable(32, 64, 2), CrossStage(64, 64, 3))
        self.stage4 = nn.Sequential(Separable(64, 128, 2), CrossStage(128, 128, 3))
        self.stage5 = nn.Sequential(
            Separable(128, 256, 2), PoolPyramid(256), CrossStage(256, 256, 1, residual=False)
        )
        self.lateral5 = ConvAct(256, 128)
        self.down4 = CrossStage(128, 128, 1, residual=False, entrance=partial(JoinedLevels, 128))
        self.lateral4 = ConvAct(128, 64)
        self.down3 = CrossStage(64, 64, 1, residual=False, entrance=partial(JoinedLevels, 64))
        self.halve3 = Separable(64, 64, 2)
        self.up4 = CrossStage(128, 128, 1, residual=False)
        self.halve4 = Separable(128, 128, 2)
        self.up5 = CrossStage(256, 256, 1, residual=False)

    def early_stages(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) → what stages 2 to 4 say, 32, 64 and 128 channels at strides 4, 8 and 16."""
        c2 = self.stage2(self.stem(frames))
        c3 = self.stage3(c2)
        return c2, c3, self.stage4(c3)

    def forward(self, frames: Tensor) -> YoloxFeatures:
        """(B, 3, H, W) → features."""
        c2, c3, c4 = self.early_stages(frames)
        top5 = self.lateral5(self.stage5(c4))
        top4 = self.lateral4(self.down4(top5, c4))
        n3 = self.down3(top4, c3)
        n4 = self.up4(torch.cat([self.halve3(n3), top4], dim=1))
        n5 = self.up5(torch.cat([self.halve4(n4), top5], dim=1))
        return YoloxFeatures(c2, n3, n4, n5)


def _double(x: Tensor) -> Tensor:
    """Nearest upsampling by 2, as columns and rows side by side.

    XNNPACK has no nearest upsampling, which leaves three delegate calls instead of one. Executorch's
    partitioner refuses to join a tensor with itself, so the second one is a sum.
    """
    batch, channels, height, width = x.shape
    columns = x.reshape(batch, channels, height, width, 1)
    wide = torch.cat([columns, columns + 0.0], dim=4).reshape(batch, channels, height, 1, 2 * width)
    return torch.cat([wide, wide + 0.0], dim=3).reshape(batch, channels, 2 * height, 2 * width)


class LevelHead(nn.Module):
    """Decoupled head of one level: a tower for classes, one for boxes and objectness."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        width = HEAD_CHANNELS
        self.stem = ConvAct(in_channels, width)
        self.class_tower = nn.Sequential(Separable(width, width), Separable(width, width))
        self.class_logits = nn.Conv2d(width, num_classes, 1)
        self.box_tower = nn.Sequential(Separable(width, width), Separable(width, width))
        self.boxes = nn.Conv2d(width, 4, 1)
        self.objectness = nn.Conv2d(width, 1, 1)
        self.place: Optional[nn.Conv2d] = None
        start_at_prior(self.class_logits)

    def fold(self) -> None:
        """Make boxes and objectness one convolution, as long as either: engines compute 8 or 16 channels at a
        time."""
        parts = (self.boxes, self.objectness)
        weights, biases = zip(*((conv.weight.detach(), conv.bias) for conv in parts))
        self.place = self.place or fixed_conv(torch.cat(weights), torch.cat(biases))

    def locate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The neck's level → stem and box tower, (B, 64, h, w) each: what says where things are."""
        stem = self.stem(x)
        return stem, self.box_tower(stem)

    def read_place(self, box_tower: Tensor) -> Tensor:
        """The box tower → boxes and objectness, see ``CellFeatures``, as five channels."""
        if self.place is not None:
            return self.place(box_tower)
        return torch.cat([self.boxes(box_tower), self.objectness(box_tower)], dim=1)

    def forward(self, x: Tensor) -> CellFeatures:
        stem, box_tower = self.locate(x)
        classes = self.class_tower(stem)
        boxes, objectness = self.read_place(box_tower).split((4, 1), dim=1)
        return CellFeatures(stem, classes, box_tower, self.class_logits(classes), boxes, objectness)


class YoloxHead(nn.ModuleList):
    """The heads of strides 8, 16 and 32."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(LevelHead(channels, num_classes) for channels in YoloxNano.channels[1:])

    def levels(self) -> list[LevelHead]:
        """The heads, finest first."""
        return [head for head in self if isinstance(head, LevelHead)]

    def forward(self, levels: Sequence[Tensor]) -> list[CellFeatures]:
        """The neck's features at strides 8, 16 and 32 → what each level's cells show."""
        return [head(level) for head, level in zip(self, levels)]
