"""The backbones by name."""

from __future__ import annotations

from mobilevis.models.seaformer import SEAFORMER_SIZES, SeaFormer
from mobilevis.models.topformer import TOPFORMER_SIZES, TopFormer

BACKBONES = (
    *(f"topformer-{size}" for size in TOPFORMER_SIZES),
    *(f"seaformer-{size}" for size in SEAFORMER_SIZES),
)
DIMS = {"tiny": 128, "small": 192, "base": 256, "large": 256}


def default_dim(name: str) -> int:
    return DIMS[name.partition("-")[2]]


def create_backbone(name: str, dim: int, drop_path: float) -> TopFormer | SeaFormer:
    family, _, size = name.partition("-")
    if family == "topformer":
        return TopFormer(TOPFORMER_SIZES[size], out_channels=dim, drop_path=drop_path)
    return SeaFormer(SEAFORMER_SIZES[size], drop_path=drop_path)
