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
        width: channels at the mask features' stride.
        depth: separable blocks at twice that stride; each sees further, at a quarter of a fine one's cost.
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
        channels: of the keyframe's features that it reads.
        learned: of these, the first ones, that it writes; the others are the same in every frame.
        stride: of the mask features, 4 or 8.
    """

    def __init__(self, config: PropagationConfig, channels: int, learned: int, stride: int) -> None:
        super().__init__()
        width = config.width
        self.learned = learned
        self.normalise = ImageNetNormalise()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, stride=2, activation=nn.ReLU())
        widths = {4: (STEM_CHANNELS, width), 8: (STEM_CHANNELS, 2 * STEM_CHANNELS, width)}[stride]
        self.frame = nn.Sequential(*(InvertedResidual(i, o, 3, 2, 1) for i, o in zip(widths, widths[1:])))
        self.keyframe = ConvNorm(channels, width)
        self.halve = InvertedResidual(width, width, KERNEL_SIZE, 2, 1)
        self.coarse = nn.Sequential(
            *(InvertedResidual(width, width, KERNEL_SIZE, 1, 2) for _ in range(config.depth))
        )
        self.fine = InvertedResidual(width, width, 3, 1, 1)
        self.write = nn.Conv2d(width, learned, 1)
        self.fade = nn.Conv2d(width, 1, 1)
        for layer in (self.write, self.fade):
            nn.init.zeros_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, frame: Tensor, keyframe_features: Tensor) -> Tensor:
        """Frames (B, 3, H, W), RGB in [0, 255], and their keyframes' features (B, C, h, w) → their own."""
        x = F.relu(self.frame(self.stem(self.normalise(frame))) + self.keyframe(keyframe_features))
        x = self.fine(x + resize(self.coarse(self.halve(x)), x.shape[-2:]))
        # A slice of all channels is an alias, which XNNPACK leaves to another delegate call.
        if self.learned == keyframe_features.shape[1]:
            return self._correct(keyframe_features, x)
        learned, constant = keyframe_features[:, : self.learned], keyframe_features[:, self.learned :]
        return torch.cat([self._correct(learned, x), constant], dim=1)

    def _correct(self, features: Tensor, x: Tensor) -> Tensor:
        """The keyframe's features (B, D, h, w), faded where they no longer hold, and what x says instead."""
        return features * (2.0 * torch.sigmoid(self.fade(x))) + self.write(x)
