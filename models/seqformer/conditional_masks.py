"""Masks by conditional convolution (Tian et al., CondInst, ECCV 2020), as SeqFormer predicts them.

An instance is 169 numbers: the weights of three 1×1 convolutions, 10 → 8 → 8 → 1 channels, over the frame's
mask features and the offsets of each cell from the instance's point in that frame. The same convolutions run
on every frame of the clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mobilevis.models.blocks.resampling import repeat_batch, resize

CHANNELS = 8  # of the mask features, and inside the conditional convolutions
KERNEL_SIZE = (CHANNELS + 2) * CHANNELS + CHANNELS + CHANNELS**2 + CHANNELS + CHANNELS + 1
STRIDE = 8  # input pixels for each cell of the mask features
# Offsets count in units of CondInst's smallest size of interest. SeqFormer's are pixels: their hundreds drown
# the mask features, which are about 1, until the controllers have learned to shrink them.
UNIT = 64.0


class MaskBranch(nn.Module):
    """Three maps of the encoder, coarse to fine, to eight channels at stride 8.

    Bilinear where SeqFormer repeats the nearest cell: the delegates have no other upsampling.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fuse = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(3))
        self.narrow = nn.Conv2d(dim, dim // 4, 3, padding=1)
        self.out = nn.Conv2d(dim // 4, CHANNELS, 3, padding=1)
        for conv in (*self.fuse, self.narrow, self.out):
            nn.init.kaiming_uniform_(conv.weight, a=1)
            nn.init.zeros_(conv.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, D, H/s, W/s) at strides 8, 16 and 32 → (B, 8, H/8, W/8)."""
        fine, middle, coarse = maps
        x = self.fuse[0](coarse).relu()
        x = self.fuse[1](middle + resize(x, middle.shape[-2:])).relu()
        x = self.fuse[2](fine + resize(x, fine.shape[-2:])).relu()
        return self.out(self.narrow(x).relu()).relu()


def cell_points(height: int, width: int, like: Tensor) -> Tensor:
    """Column and row of the centre of each cell of stride-8 features in units of 64 pixels, (1, 2, H·W)."""
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height))).reshape(1, 2, -1) + 0.5
    return torch.from_numpy((places * (STRIDE / UNIT)).astype(np.float32)).to(like)


def conditional_masks(kernels: Tensor, points: Tensor, features: Tensor) -> Tensor:
    """Run each instance's convolutions on a frame, then bilinear ×2.

    Args:
        kernels: (B, K, 169), in the order of the weights and biases of the three layers; the first layer's
            inputs are the two offsets, point less cell, then the features.
        points: (B, K, 2), x and y of the instance's point as shares of the frame.
        features: (B, 8, H, W), stride 8.

    Returns:
        Mask logits (B, K, 2H, 2W).
    """
    batch, _, height, width = features.shape
    count = kernels.shape[1]
    first, second, last, first_bias, second_bias, last_bias = kernels.reshape(batch * count, -1).split(
        [(CHANNELS + 2) * CHANNELS, CHANNELS**2, CHANNELS, CHANNELS, CHANNELS, 1], dim=1
    )
    first = first.view(batch * count, CHANNELS, CHANNELS + 2)
    by_offset, by_feature = first[:, :, :2], first[:, :, 2:]
    size = torch.tensor([width * STRIDE / UNIT, height * STRIDE / UNIT]).to(points)
    place = (points * size).view(batch * count, 2, 1)
    # W·(point − cell) = W·point − W·cell: one product serves all instances of a frame.
    cells = repeat_batch(cell_points(height, width, features), batch)
    inputs = torch.cat([cells, features.flatten(2)], dim=1)
    weights = torch.cat([-by_offset, by_feature], dim=2).view(batch, count * CHANNELS, CHANNELS + 2)
    hidden = torch.bmm(weights, inputs).view(batch * count, CHANNELS, height * width)
    hidden = (hidden + torch.bmm(by_offset, place) + first_bias.unsqueeze(2)).relu()
    hidden = torch.bmm(second.view(-1, CHANNELS, CHANNELS), hidden) + second_bias.unsqueeze(2)
    logits = torch.bmm(last.view(-1, 1, CHANNELS), hidden.relu()) + last_bias.unsqueeze(2)
    return resize(logits.view(batch, count, height, width), (2 * height, 2 * width))
