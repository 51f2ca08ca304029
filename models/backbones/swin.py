"""Swin Transformers (Liu et al., ICCV 2021) as pyramid backbones, from Hugging Face transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mobilevis.models.backbones.huggingface import load_transformers

# The configurations of transformers' Swin, which its pretrained weights fit: swin-tiny-patch4-window7-224 and
# -small-, and swin-base-patch4-window12-384-in22k and -large-, as Mask2Former has them.
SWINS: dict[str, dict[str, Any]] = {
    "swin-tiny": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
    "swin-small": {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
    "swin-base": {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12},
    "swin-large": {
        "embed_dim": 192,
        "depths": [2, 2, 18, 2],
        "num_heads": [6, 12, 24, 48],
        "window_size": 12,
    },
}


class Swin(nn.Module):
    """A Swin with random weights, its levels normed as detection and segmentation read them.

    Args:
        name: a key of ``SWINS``.
        first: the first level that is returned: 2 for stride 4, 3 for stride 8.

    Attributes:
        level_channels: channels of the levels, from ``first`` to the fifth, at stride 32.
        size_multiple: the coarsest level's stride, which must divide height and width.

    Raises:
        ImportError: transformers is not installed; the text says what to install.
    """

    size_multiple = 32

    def __init__(self, name: str, first: int = 2) -> None:
        super().__init__()
        transformers = load_transformers(name)
        stages = [f"stage{level - 1}" for level in range(first, 6)]
        # Attention in everyday operators: the fused one has no counterpart in two of the three formats.
        config = transformers.SwinConfig(out_features=stages, attn_implementation="eager", **SWINS[name])
        self.network = transformers.SwinBackbone(config)
        # The classifier's norm, on the last level once more: no level comes from it.
        self.network.swin.layernorm = nn.Identity()
        self.level_channels = tuple(self.network.channels)

    def levels(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, 3, H, W) → the levels, finest first."""
        return self.network(images).feature_maps
