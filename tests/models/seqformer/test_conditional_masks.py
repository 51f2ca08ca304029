"""Conditional convolution against the grouped convolution that defines it."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from mobilevis.models.blocks.resampling import resize
from mobilevis.models.seqformer.conditional_masks import KERNEL_SIZE, UNIT, MaskBranch, conditional_masks


def by_convolution(kernel: torch.Tensor, point: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """One instance of one frame: three 1×1 convolutions over offsets and features, then upsampling."""
    height, width = features.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height) * 8 + 4.0, torch.arange(width) * 8 + 4.0, indexing="ij"
    )
    offsets = torch.stack([point[0] * width * 8 - columns, point[1] * height * 8 - rows]) / UNIT
    x = torch.cat([offsets, features])[None]
    first, second, last, b1, b2, b3 = kernel.split([80, 64, 8, 8, 8, 1])
    x = F.conv2d(x, first.view(8, 10, 1, 1), b1).relu()
    x = F.conv2d(x, second.view(8, 8, 1, 1), b2).relu()
    return resize(F.conv2d(x, last.view(1, 8, 1, 1), b3), (2 * height, 2 * width))[0, 0]


def test_an_instance_has_169_numbers() -> None:
    assert KERNEL_SIZE == 169


def test_each_instance_is_a_small_network_on_its_frame() -> None:
    torch.manual_seed(0)
    kernels, points, features = torch.randn(2, 3, KERNEL_SIZE), torch.rand(2, 3, 2), torch.randn(2, 8, 4, 6)
    masks = conditional_masks(kernels, points, features)
    assert masks.shape == (2, 3, 8, 12)
    for frame in range(2):
        for instance in range(3):
            expected = by_convolution(kernels[frame, instance], points[frame, instance], features[frame])
            torch.testing.assert_close(masks[frame, instance], expected, rtol=1e-4, atol=1e-3)


def test_the_mask_branch_ends_at_stride_8() -> None:
    maps = [torch.randn(2, 32, 8 // scale, 16 // scale) for scale in (1, 2, 4)]
    assert MaskBranch(32)(maps).shape == (2, 8, 8, 16)
