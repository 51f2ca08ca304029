"""A light encoder for the frames between keyframes: what moved is corrected in the keyframe's mask features.

Ours. Kernel reuse as published (MobileInst §3.4) saves the decoder, 3 % of a frame; every frame still pays
the whole encoder. The keyframe's mask features already say what is where; a small network that sees them
beside the new frame has only to say where it went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import ConvNorm, ImageNetNormalise, InvertedResidual
from mobilevis.models.blocks.resampling import resize
from mobilevis.models.checks import check_positive

STEM_CHANNELS = 16
KERNEL_SIZE = 5  # of depthwise convolutions at the coarse scale: one sees 32 to 64 pixels of motion


@dataclass(frozen=True)
class PropagationConfig:
    """The size of the network.

    Attributes:
        width: channels at the mask features' stride; of a dense model, at stride 8.
        depth: separable blocks at twice that stride, where each sees further at a quarter of a fine one's
            cost; of a dense model, at stride 8.
    """

    width: int = 64
    depth: int = 3

    def __post_init__(self) -> None:
        check_positive("propagation.width", self.width)
        check_positive("propagation.depth", self.depth)

    @classmethod
    def read(cls, value: Any) -> PropagationConfig | None:
        """A configuration as it is, or of its fields by name, as TOML and checkpoints have it; None for none.

        Raises:
            ValueError: it is neither, or has a field that is not known.
        """
        if value is None or isinstance(value, cls):
            return value
        known = tuple(cls.__dataclass_fields__)
        if not isinstance(value, Mapping) or set(value) - set(known):
            raise ValueError(f"propagation is {value!r:.60}, it has {' and '.join(known)}")
        return cls(**value)


class Propagation(nn.Module):
    """A frame and the keyframe's mask features → the frame's mask features.

    The result is the keyframe's features, faded where they no longer hold, and what the network puts there.
    Untrained, it is the keyframe's features themselves.

    Args:
        config: the size.
        dim: D, channels of the mask features.
    """

    def __init__(self, config: PropagationConfig, dim: int) -> None:
        super().__init__()
        width = config.width
        self.normalise = ImageNetNormalise()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, stride=2, activation=nn.ReLU())
        widths = (STEM_CHANNELS, 2 * STEM_CHANNELS, width)
        self.frame = nn.Sequential(*(InvertedResidual(i, o, 3, 2, 1) for i, o in zip(widths, widths[1:])))
        self.keyframe = ConvNorm(dim, width)
        self.halve = InvertedResidual(width, width, KERNEL_SIZE, 2, 1)
        self.coarse = nn.Sequential(
            *(InvertedResidual(width, width, KERNEL_SIZE, 1, 2) for _ in range(config.depth))
        )
        self.fine = InvertedResidual(width, width, 3, 1, 1)
        self.write = nn.Conv2d(width, dim, 1)
        self.fade = nn.Conv2d(width, 1, 1)
        for layer in (self.write, self.fade):
            nn.init.zeros_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, frame: Tensor, keyframe_features: Tensor) -> Tensor:
        """Frames (B, 3, H, W), RGB in [0, 255], and the keyframes' features (B, D, H/8, W/8) → theirs."""
        x = F.relu(self.frame(self.stem(self.normalise(frame))) + self.keyframe(keyframe_features))
        x = self.fine(x + resize(self.coarse(self.halve(x)), x.shape[-2:]))
        return keyframe_features * (2.0 * torch.sigmoid(self.fade(x))) + self.write(x)
