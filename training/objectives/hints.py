"""A detector's features as a goal beside the labels, of a model that is built otherwise. Ours.

A few hundred labelled pictures say little of how things look; a detector that has seen a hundred thousand
says it of every cell of every picture, labelled or not. As in FitNets (Romero et al., ICLR 2015) a 1×1
convolution stands between the pupil's features and the teacher's; here it reads the mask features, from which
queries learn their classes, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.yolox import STRIDES, YoloxNano
from mobilevis.models.mobileinst.mobileinst import FEATURE_STRIDE
from mobilevis.models.weights.bundled import find_weights
from mobilevis.models.weights.checkpoint import load_checkpoint
from mobilevis.training.objectives.base import LossWeights


@dataclass(frozen=True)
class HintLoss(LossWeights):
    """What the ``[objective]`` table says of a detector's features.

    Attributes:
        hints: factor of the term.
        hints_from: weights that ship, by name, or a checkpoint, of a model on YOLOX-Nano; "" for none.
    """

    hints: float = 1.0
    hints_from: str = ""


def load_detector(name: str) -> YoloxNano:
    """The backbone and neck of weights that ship, by name, or of a checkpoint's path.

    Raises:
        ValueError: its backbone is another.
        UserError: the file cannot be read.
    """
    detector = getattr(load_checkpoint(find_weights(name)).model, "backbone", None)
    if not isinstance(detector, YoloxNano):
        raise ValueError("objective.hints_from must be a model on yolox-nano")
    return detector


class FeatureHints(nn.Module):
    """Reads a detector's neck, level by level, from mask features; for training only.

    Args:
        detector: frozen by the caller.
        dim: D, channels of the mask features.
    """

    def __init__(self, detector: YoloxNano, dim: int) -> None:
        super().__init__()
        self.detector = detector
        self.readers = nn.ModuleList(nn.Conv2d(dim, channels, 1) for channels in detector.channels[1:])

    def forward(self, frames: Tensor, mask_features: Tensor) -> Tensor:
        """The part of the variance of the detector's features that is not read, mean over levels: 1 for a
        reader that says nothing, 0 for one that says all.

        Args:
            frames: (B, 3, H, W), RGB in [0, 255].
            mask_features: (B, D, H/8, W/8).
        """
        with torch.no_grad():
            levels = [standardise(level) for level in self.detector(frames)[1:]]
        parts = []
        for reader, level, stride in zip(self.readers, levels, STRIDES):
            pooled = F.avg_pool2d(mask_features, stride // FEATURE_STRIDE)
            parts.append(F.mse_loss(reader(pooled).float(), level))
        return torch.stack(parts).mean()


def standardise(features: Tensor) -> Tensor:
    """(B, C, h, w), each channel with mean 0 and variance 1 over the batch: none counts for its scale."""
    variance, mean = torch.var_mean(features.float(), (0, 2, 3), correction=0, keepdim=True)
    return (features.float() - mean) * torch.rsqrt(variance + 1e-6)
