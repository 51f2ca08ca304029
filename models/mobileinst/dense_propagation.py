"""The starter's light encoder between keyframes: the backbone's first stages, exactly, and the rest by guess.

Ours. Most of a mask's edge is in the second stage, which the frame's mask features take in exactly; what the
deeper stages, the neck and the mask branch say at stride 8 has changed little since the keyframe, and a small
network tells it from the keyframe's mask features and the frame's stages 3 and 4.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.yolox import ConvAct, Separable, YoloxNano
from mobilevis.models.blocks.folding import fixed_conv
from mobilevis.models.blocks.resampling import resize
from mobilevis.models.mobileinst.places import PLACE_CHANNELS
from mobilevis.models.mobileinst.propagation import KERNEL_SIZE, PropagationConfig


class DensePropagation(nn.Module):
    """A frame's stages 3 and 4, and its keyframe's mask features → what the mask branch has at stride 8.

    Args:
        config: the size; the width is that at stride 8.
        channels: of the keyframe's mask features.
        joined: channels of the result.
        stride: of the mask features, 4 or 8.
    """

    def __init__(self, config: PropagationConfig, channels: int, joined: int, stride: int) -> None:
        super().__init__()
        _, fine, coarse, _ = YoloxNano.channels
        width = config.width
        self.fine = nn.Conv2d(fine, width, 1)
        self.coarse = nn.Conv2d(coarse, width, 1, bias=False)
        self.keyframe: nn.Module = Separable(channels, width, stride=8 // stride)
        self.blocks = nn.ModuleList(
            Separable(width, width, kernel_size=KERNEL_SIZE) for _ in range(config.depth)
        )
        self.write = nn.Conv2d(width, joined, 1)

    def fold(self) -> None:
        """See ``Foldable``."""
        if isinstance(self.keyframe, Separable):
            self.keyframe = PartedSeparable(self.keyframe)

    def forward(self, c3: Tensor, c4: Tensor, keyframe_features: Tensor) -> Tensor:
        """(B, 64, H/8, W/8), (B, 128, H/16, W/16) and (B, C, h, w) → (B, joined, H/8, W/8)."""
        x = self.fine(c3) + resize(self.coarse(c4), c3.shape[-2:]) + self.keyframe(keyframe_features)
        for block in self.blocks:
            x = x + block(x)
        return self.write(x)


class PartedSeparable(nn.Module):
    """A ``Separable`` on mask features that reads the learned channels and the coordinates apart.

    37 channels leave ONNX Runtime's blocked layout: a depthwise convolution of them takes ten times as long
    as one of 32, 6 % of ``propagate``.
    """

    def __init__(self, separable: Separable) -> None:
        super().__init__()
        depthwise, pointwise = (layer.conv for layer in separable if isinstance(layer, ConvAct))
        weight = pointwise.weight
        self.learned = _some_channels(depthwise, slice(None, -PLACE_CHANNELS))
        self.places = _some_channels(depthwise, slice(-PLACE_CHANNELS, None))
        self.read_learned = fixed_conv(weight[:, :-PLACE_CHANNELS], pointwise.bias)
        self.read_places = fixed_conv(weight[:, -PLACE_CHANNELS:])

    def forward(self, mask_features: Tensor) -> Tensor:
        """(B, D + 5, h, w) → (B, width, H/8, W/8)."""
        count = self.learned.in_channels
        learned = self.read_learned(F.silu(self.learned(mask_features[:, :count])))
        return F.silu(learned + self.read_places(F.silu(self.places(mask_features[:, count:]))))


def _some_channels(depthwise: nn.Conv2d, channels: slice) -> nn.Conv2d:
    """A depthwise convolution of some of its channels alone."""
    weight, bias = depthwise.weight[channels], depthwise.bias
    assert bias is not None
    return fixed_conv(weight, bias[channels], depthwise.stride[0], groups=len(weight))
