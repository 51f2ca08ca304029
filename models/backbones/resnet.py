"""ResNets as pyramid backbones, from Hugging Face transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mobilevis.models.backbones.huggingface import load_transformers

# The configurations of transformers' ResNet, which its pretrained weights fit; tiny is ours.
RESNETS: dict[str, dict[str, Any]] = {
    "resnet50": {},
    "resnet101": {"depths": [3, 4, 23, 3]},
    "resnet-tiny": {
        "embedding_size": 16,
        "hidden_sizes": [16, 32, 64, 128],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
    },
}


class ResNet(nn.Module):
    """A ResNet with random weights.

    Args:
        name: a key of ``RESNETS``.
        first: the first level that is returned: 2 for stride 4, 3 for stride 8.

    Attributes:
        level_channels: channels of the levels, from ``first`` to the fifth, at stride 32.
        channels: the same, for models that take any backbone's pyramid.
        size_multiple: the coarsest level's stride, which must divide height and width.

    Raises:
        ImportError: transformers is not installed; the text says what to install.
    """

    size_multiple = 32

    def __init__(self, name: str, first: int = 2) -> None:
        super().__init__()
        transformers = load_transformers(name)
        stages = [f"stage{level - 1}" for level in range(first, 6)]
        config = transformers.ResNetConfig(out_features=stages, **RESNETS[name])
        self.network = transformers.ResNetBackbone(config)
        self.channels = self.level_channels = tuple(self.network.channels)
        for stage in self.network.encoder.stages:
            for block in stage.layers:
                # Blocks start as the identity (Goyal et al., 2017, §5.1): sixteen random ones in a row give
                # features of hundreds, whose float32 rounding alone is beyond an export's tolerance.
                nn.init.zeros_(block.layer[-1].normalization.weight)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """See ``levels``."""
        return self.levels(images)

    def levels(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, 3, H, W) → the levels, finest first."""
        return self.network(images).feature_maps
