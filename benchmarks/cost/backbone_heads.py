"""The heads under which the backbones' published sizes and FLOPs are counted: segmenters and classifiers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.seaformer import SEAFORMER_SIZES, SeaFormer
from mobilevis.models.backbones.topformer import TOPFORMER_SIZES, TopFormer
from mobilevis.models.blocks.layers import ConvNorm, hard_sigmoid
from mobilevis.models.blocks.resampling import resize

ADE20K_CLASSES = 150
IMAGENET_CLASSES = 1000


class TopFormerSegmenter(nn.Module):
    """TopFormer's segmenter (§3.4): the injected features summed at 1/8, a 1×1, a classifier of each pixel.

    Args:
        size: a key of ``TOPFORMER_SIZES``; in ``tiny`` the 1×1 is depth-wise.
        num_classes: C.
    """

    def __init__(self, size: str, num_classes: int = ADE20K_CLASSES) -> None:
        super().__init__()
        channels = TOPFORMER_SIZES[size].injected_channels
        self.backbone = TopFormer(TOPFORMER_SIZES[size])
        self.fuse = ConvNorm(
            channels, channels, groups=channels if size == "tiny" else 1, activation=nn.ReLU()
        )
        self.classify = nn.Conv2d(channels, num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → class logits (B, C, H/8, W/8)."""
        x3, x4, x5, _ = self.backbone(images)
        size = x3.shape[-2:]
        return self.classify(self.fuse(x3 + resize(x4, size) + resize(x5, size)))


class GatedFusion(nn.Module):
    """Local features times the upsampled gate of global ones, each after its own 1×1 (SeaFormer §3.4)."""

    def __init__(self, local_channels: int, global_channels: int, out_channels: int) -> None:
        super().__init__()
        self.local = ConvNorm(local_channels, out_channels)
        self.gate = ConvNorm(global_channels, out_channels)

    def forward(self, local_features: Tensor, global_features: Tensor) -> Tensor:
        gate = resize(hard_sigmoid(self.gate(global_features)), local_features.shape[-2:])
        return self.local(local_features) * gate


class SeaFormerSegmenter(nn.Module):
    """SeaFormer's segmenter: features at 1/8 gated by each transformer's output in turn, then classified.

    Args:
        size: a key of ``SEAFORMER_SIZES``.
        num_classes: C.
    """

    def __init__(self, size: str, num_classes: int = ADE20K_CLASSES) -> None:
        super().__init__()
        self.backbone = SeaFormer(SEAFORMER_SIZES[size])
        fused = SEAFORMER_SIZES[size].fused_channels
        first, *rest = self.backbone.channels
        self.fusions = nn.ModuleList(
            GatedFusion(local, context, out)
            for local, context, out in zip((first, *fused), rest[-len(fused) :], fused)
        )
        self.fuse = ConvNorm(fused[-1], fused[-1], groups=fused[-1], activation=nn.ReLU())
        self.classify = nn.Conv2d(fused[-1], num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → class logits (B, C, H/8, W/8)."""
        x, *rest = self.backbone(images)
        for fusion, context in zip(self.fusions, rest[-len(self.fusions) :]):
            x = fusion(x, context)
        return self.classify(self.fuse(x))


class SeaFormerClassifier(nn.Module):
    """SeaFormer's classifier: the mean of the features at 1/64, and a linear layer.

    Args:
        size: a key of ``SEAFORMER_SIZES``.
        num_classes: C.
    """

    def __init__(self, size: str, num_classes: int = IMAGENET_CLASSES) -> None:
        super().__init__()
        self.backbone = SeaFormer(SEAFORMER_SIZES[size])
        self.classify = nn.Linear(self.backbone.channels[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → class logits (B, C)."""
        features = self.backbone(images).x6
        return self.classify(torch.flatten(F.avg_pool2d(features, features.shape[-2:]), 1))
