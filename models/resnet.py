"""ResNet-50 as a pyramid backbone, from Hugging Face transformers."""

from __future__ import annotations

from torch import Tensor, nn


class ResNet50(nn.Module):
    """ResNet-50 with random weights.

    Attributes:
        channels: channels of X3, X4 and X5.

    Raises:
        ImportError: transformers is not installed; the text says what to install.
    """

    channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        try:
            from transformers import ResNetBackbone, ResNetConfig
        except ImportError as error:
            raise ImportError("ResNet-50 comes from transformers: pip install transformers") from error
        config = ResNetConfig(out_features=["stage2", "stage3", "stage4"])  # type: ignore[call-arg]
        self.network = ResNetBackbone(config)
        for stage in self.network.encoder.stages:
            for block in stage.layers:
                # Blocks start as the identity (Goyal et al., 2017, §5.1): sixteen random ones in a row give
                # features of hundreds, whose float32 rounding alone is beyond an export's tolerance.
                nn.init.zeros_(block.layer[-1].normalization.weight)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, 3, H, W) → X3, X4 and X5, at strides 8, 16 and 32."""
        return self.network(images).feature_maps
