"""Layers shared by the models, in forms that every exporter's delegate takes whole.

The forms are chosen by measurement: written with these, each entry of a model lowers to one XNNPACK delegate
call, where the everyday PyTorch operators leave some twenty pieces (scaled_dot_product_attention brings masks
along, layer_norm and adaptive pooling fall out of the delegate).
"""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.resampling import resize

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


PRIOR_PROBABILITY = 0.01


class Pyramid(NamedTuple):
    """A backbone's features, (B, C, H/stride, W/stride) at strides 8, 16, 32 and 64."""

    x3: Tensor
    x4: Tensor
    x5: Tensor
    x6: Tensor


class ImageNetNormalise(nn.Module):
    """Images in [0, 255], RGB, less ImageNet's mean and divided by its deviation."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", 1.0 / torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) * self.scale


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch norm, and an activation where one is given.

    Args:
        zero_init: start the norm's scale at 0, so that a residual branch starts as the identity.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: Optional[nn.Module] = None,
        zero_init: bool = False,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        if zero_init:
            nn.init.zeros_(self.norm.weight)
        if activation is not None:
            self.activation = activation


class InvertedResidual(nn.Module):
    """MobileNetV2's block with ReLU: expand 1×1, depth-wise k×k, project 1×1 without activation."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.expand = ConvNorm(in_channels, hidden, activation=nn.ReLU()) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(hidden, hidden, kernel_size, stride, groups=hidden, activation=nn.ReLU())
        self.project = ConvNorm(hidden, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.residual else out


class ConvMlp(nn.Module):
    """Feed-forward part of TopFormer's and SeaFormer's blocks: 1×1, depth-wise 3×3 with bias, ReLU6, 1×1."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = ConvNorm(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.project = ConvNorm(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(F.relu6(self.depthwise(self.expand(x))))


class DropPath(nn.Module):
    """Stochastic depth: drops a residual branch per sample with probability ``rate`` in training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        kept = torch.rand(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype) >= self.rate
        return x * kept / (1.0 - self.rate)


class SemanticInjection(nn.Module):
    """Gate local features by global ones and add these (TopFormer §3.3): local · h_sigmoid(gate) + feature.

    Gate and feature are upsampled after their convolutions.
    """

    def __init__(self, local_channels: int, global_channels: int, out_channels: int) -> None:
        super().__init__()
        self.local = ConvNorm(local_channels, out_channels)
        self.gate = ConvNorm(global_channels, out_channels)
        self.feature = ConvNorm(global_channels, out_channels)

    def forward(self, local_features: Tensor, global_features: Tensor) -> Tensor:
        size = local_features.shape[-2:]
        gate = resize(hard_sigmoid(self.gate(global_features)), size)
        return self.local(local_features) * gate + resize(self.feature(global_features), size)


class LayerNorm(nn.Module):
    """``nn.LayerNorm`` over the last dimension, its means as products with a constant vector.

    Equal to PyTorch's to rounding, and stays in the delegate without a change of layout.
    """

    averaging: Tensor

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("averaging", torch.full((1, dim), 1.0 / dim), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        centred = x - F.linear(x, self.averaging)
        variance = F.linear(centred * centred, self.averaging)
        return centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias


class GroupNorm(nn.Module):
    """``nn.GroupNorm`` of (B, C, H, W) by means over two dimensions of four, which stay in the delegate."""

    def __init__(self, groups: int, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups = groups
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        grouped = x.reshape(batch, self.groups, channels // self.groups, height * width)
        centred = grouped - grouped.mean([2, 3], keepdim=True)
        variance = (centred * centred).mean([2, 3], keepdim=True)
        normal = (centred * torch.rsqrt(variance + self.eps)).reshape(batch, channels, height, width)
        return normal * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


class Mlp(nn.Sequential):
    """Linear layers with ReLU between them.

    Args:
        widths: channels of the input, of each hidden layer and of the output.
    """

    def __init__(self, *widths: int) -> None:
        layers: list[nn.Module] = []
        for i, o in zip(widths, widths[1:]):
            layers += [nn.Linear(i, o), nn.ReLU()]
        super().__init__(*layers[:-1])


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention of (B, N, D) queries over (B, M, D) keys and values, by 3-D products."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _split(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B·heads, N, D/heads)."""
        batch, length, dim = x.shape
        x = x.view(batch, length, self.heads, dim // self.heads).permute(0, 2, 1, 3)
        return x.reshape(batch * self.heads, length, dim // self.heads)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, bias: Optional[Tensor] = None) -> Tensor:
        """Attend; ``bias`` (B, N, M) is added to the scores of every head before the softmax."""
        batch, length, dim = query.shape
        q, k, v = (
            self._split(self.query(query) * self.scale),
            self._split(self.key(key)),
            self._split(self.value(value)),
        )
        scores = torch.bmm(q, k.transpose(1, 2))
        if bias is not None:
            by_head = scores.view(batch, self.heads, length, -1) + bias.view(batch, 1, length, -1)
            scores = by_head.view(batch * self.heads, length, -1)
        weights = scores.softmax(dim=-1)
        out = torch.bmm(weights, v).view(batch, self.heads, length, dim // self.heads)
        return self.out(out.permute(0, 2, 1, 3).reshape(batch, length, dim))


def hard_sigmoid(x: Tensor) -> Tensor:
    """ReLU6(x + 3) / 6."""
    return F.relu6(x + 3.0) * (1.0 / 6.0)


def start_at_prior(layer: nn.Linear | nn.Conv2d) -> None:
    """Make a sigmoid layer give 0.01 at first: the many negatives then do not drown the focal loss."""
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, -math.log((1 - PRIOR_PROBABILITY) / PRIOR_PROBABILITY))
