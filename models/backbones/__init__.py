"""The backbones by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from mobilevis.models.backbones.convnext import CONVNEXTS, ConvNeXt
from mobilevis.models.backbones.efficientnet import EFFICIENTNET_LITES, EfficientNetLite
from mobilevis.models.backbones.resnet import RESNETS, ResNet
from mobilevis.models.backbones.seaformer import SEAFORMER_SIZES, SeaFormer
from mobilevis.models.backbones.swin import SWINS, Swin
from mobilevis.models.backbones.topformer import TOPFORMER_SIZES, TopFormer

Backbone = Union[TopFormer, SeaFormer, EfficientNetLite]
Pyramid = Union[ResNet, Swin, ConvNeXt]
EFFICIENTNET_DIM = 128  # ours, TopFormer-tiny's


@dataclass(frozen=True)
class BackboneInfo:
    """How to build a backbone, and the width that suits it.

    Attributes:
        create: (channels that injected features shall have, drop path) → backbone.
        dim: channels of the decoders on top; TopFormer's are the published width of its injected features.
    """

    create: Callable[[int, float], Backbone]
    dim: int


def _topformer(size: str) -> BackboneInfo:
    published = TOPFORMER_SIZES[size]
    return BackboneInfo(lambda dim, rate: TopFormer(published, dim, rate), published.injected_channels)


def _seaformer(size: str, dim: int) -> BackboneInfo:
    return BackboneInfo(lambda _, rate: SeaFormer(SEAFORMER_SIZES[size], rate), dim)


def _efficientnet(name: str) -> BackboneInfo:
    return BackboneInfo(lambda _, rate: EfficientNetLite(EFFICIENTNET_LITES[name], rate), EFFICIENTNET_DIM)


BACKBONES: dict[str, BackboneInfo] = {
    **{f"topformer-{size}": _topformer(size) for size in TOPFORMER_SIZES},
    "seaformer-tiny": _seaformer("tiny", 128),
    "seaformer-small": _seaformer("small", 192),
    "seaformer-base": _seaformer("base", 256),
    "seaformer-large": _seaformer("large", 256),
    **{name: _efficientnet(name) for name in EFFICIENTNET_LITES},
}


def create_backbone(name: str, dim: int, drop_path: float) -> Backbone:
    """Build a backbone with random weights.

    Args:
        name: a key of ``BACKBONES``.
        dim: channels of TopFormer's X3, X4 and X5 after semantic injection; others have their own.
        drop_path: rate of stochastic depth in the last block.

    Raises:
        ValueError: the name is not known; the text lists the known ones.
    """
    if name not in BACKBONES:
        raise ValueError(f"no backbone {name}; known are {', '.join(BACKBONES)}")
    return BACKBONES[name].create(dim, drop_path)


PYRAMIDS: dict[str, Callable[[str, int], Pyramid]] = {
    **dict.fromkeys(RESNETS, ResNet),
    **dict.fromkeys(SWINS, Swin),
    **dict.fromkeys(CONVNEXTS, ConvNeXt),
}


def create_pyramid(name: str, first: int = 2) -> Pyramid:
    """Build a backbone of the papers' whose ``levels`` end at stride 32, with random weights.

    Args:
        name: a key of ``PYRAMIDS``.
        first: the first level: 2 for stride 4, 3 for stride 8.
    """
    return PYRAMIDS[name](name, first)


LEVEL_BACKBONES = (*PYRAMIDS, *BACKBONES)


def create_level_backbone(name: str) -> Union[Pyramid, Backbone]:
    """Build a backbone whose ``levels`` begin with those at strides 4, 8, 16 and 32, with random weights.

    Args:
        name: one of ``LEVEL_BACKBONES``.
    """
    return create_pyramid(name) if name in PYRAMIDS else create_backbone(name, BACKBONES[name].dim, 0.0)
