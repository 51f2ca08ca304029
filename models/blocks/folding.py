"""Modules that compute the same for less work once their weights are fixed."""

from __future__ import annotations

from typing import Optional, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Foldable(Protocol):
    """A module with a form of its own for inference."""

    def fold(self) -> None:
        """Take that form, in place; a folded module stays as it is. Its weights are no longer trained."""


def fixed_conv(
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: int = 1,
    groups: int = 1,
    padding: Optional[int] = None,
) -> nn.Conv2d:
    """A convolution with copies of given weights (out, in / groups, k, k), by default padded as at stride 1
    keeps the size."""
    out_channels, in_channels, side, _ = weight.shape
    padding = side // 2 if padding is None else padding
    has_bias = bias is not None
    # On "meta" nothing is drawn at random: weights may be folded in the middle of a training.
    conv = nn.Conv2d(
        groups * in_channels, out_channels, side, stride, padding, groups=groups, bias=has_bias, device="meta"
    )
    conv.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return conv
