"""A training-only head that names the class of each pixel of the mask features; ours, and off by default.

A query learns its class from a handful of matches a frame, which takes the paper's 17 million frames.
Classifying every pixel beside it teaches the features in far fewer, as YOLACT's semantic segmentation loss
does (Bolya et al., ICCV 2019, §5). The head is not part of the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevis.training.distributed import mean_over_processes
from mobilevis.training.matcher import Target


class SemanticHead(nn.Module):
    """Softmax classification of each pixel of the mask features, background first.

    Args:
        dim: channels of the mask features.
        num_classes: C.
    """

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.classify = nn.Conv2d(dim, 1 + num_classes, 1)

    def forward(self, mask_features: Tensor, targets: Sequence[Target]) -> Tensor:
        """The loss: mean cross-entropy of the objects' pixels plus that of the background's.

        Args:
            mask_features: (B, D, H/8, W/8).
            targets: B targets with masks at H/4, W/4.
        """
        labels = torch.stack([semantic_map(target) for target in targets])
        loss = F.cross_entropy(self.classify(mask_features).float(), labels, reduction="none")
        parts = torch.stack([labels > 0, labels == 0]).float()
        counts = mean_over_processes(parts.sum((1, 2, 3))).clamp(min=1)
        return ((parts * loss).sum((1, 2, 3)) / counts).sum()


def semantic_map(target: Target) -> Tensor:
    """A frame's classes at half its masks' resolution: (h/2, w/2) int64, 0 for the background, else 1 +
    label.

    A pixel is an object's where the object covers the most of it, and at least half.
    """
    background = target.masks.new_full((1, *target.masks.shape[1:]), 0.5)
    coverage = F.avg_pool2d(torch.cat([background, target.masks]), 2).argmax(0)
    return torch.cat([target.labels.new_zeros(1), target.labels + 1])[coverage]
