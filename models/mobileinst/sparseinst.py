"""SparseInst (Cheng et al., CVPR 2022), the baseline of MobileInst's Table 1, for timing beside it.

Instances are read from the features by activation maps, one a slot, instead of by attention. The entries are
MobileInst's, so its driver runs them; the instance branch runs on keyframes only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mobilevis.models.backbones import create_backbone
from mobilevis.models.backbones.resnet import ResNet
from mobilevis.models.blocks.layers import ImageNetNormalise, start_at_prior
from mobilevis.models.blocks.positions import coordinates
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.entries import Shape
from mobilevis.models.mobileinst.kernel_model import KernelModel
from mobilevis.models.mobileinst.mask_decoder import FpnEncoder, stacked_convs

SPARSEINST_BACKBONES = ("resnet50", "topformer-base")
DIM = 256
KERNEL_DIM = 128
CONVS = 4


@dataclass(frozen=True)
class SparseInstConfig:
    """The architecture of SparseInst's base model.

    Attributes:
        backbone: one of ``SPARSEINST_BACKBONES``.
        num_classes: C.
        num_queries: N, the number of activation maps.
    """

    backbone: str = "topformer-base"
    num_classes: int = 80
    num_queries: int = 100

    def __post_init__(self) -> None:
        check_known("backbone", self.backbone, SPARSEINST_BACKBONES)
        check_positive("num_classes", self.num_classes)
        check_positive("num_queries", self.num_queries)


class SparseInst(KernelModel):
    """SparseInst with batch norms after its convolutions, which an export folds away."""

    dim = KERNEL_DIM

    def __init__(self, config: SparseInstConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.num_queries = config.num_queries
        self.normalise = ImageNetNormalise()
        name = config.backbone
        resnet = name == "resnet50"
        self.backbone = ResNet(name, first=3) if resnet else create_backbone(name, DIM, drop_path=0.1)
        self.encoder = FpnEncoder(self.backbone.channels[:3], DIM, pooling=True, coarsest=True)
        self.mask_branch = stacked_convs(DIM + 2, DIM, CONVS)
        self.mask_projection = nn.Conv2d(DIM, KERNEL_DIM, 1)
        self.instance_branch = stacked_convs(DIM + 2, DIM, CONVS)
        self.activation_maps = nn.Conv2d(DIM, config.num_queries, 3, padding=1)
        self.class_head = nn.Linear(DIM, config.num_classes)
        self.objectness_head = nn.Linear(DIM, 1)
        self.kernel_head = nn.Linear(DIM, KERNEL_DIM)
        start_at_prior(self.activation_maps)
        start_at_prior(self.class_head)

    def encode(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, 3, H, W), RGB in [0, 255] → mask features (B, 128, H/8, W/8) and features with two
        coordinate channels (B, 258, H/8, W/8)."""
        x3, x4, x5 = self.backbone(self.normalise(frame))[:3]
        features = self.encoder(x3, x4, x5)
        placed = torch.cat([coordinates(features), features], dim=1)
        return self.mask_projection(self.mask_branch(placed)), placed

    def decode(self, instance_features: Tensor) -> tuple[Tensor, Tensor]:
        """Features → kernels (B, N, 128) and scores (B, N, C) = sqrt(σ(class) · σ(objectness))."""
        features = self.instance_branch(instance_features)
        maps = self.activation_maps(features).sigmoid()
        pixels = maps.shape[-2] * maps.shape[-1]
        mass = maps.mean([2, 3], keepdim=True).flatten(2) * pixels  # (B, N, 1)
        pooled = torch.bmm(maps.flatten(2), features.flatten(2).transpose(1, 2)) / mass.clamp(min=1e-6)
        scores = self.class_head(pooled).sigmoid() * self.objectness_head(pooled).sigmoid()
        return self.kernel_head(pooled), torch.sqrt(scores)

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        height, width = input_size[0] // 8, input_size[1] // 8
        return {
            "mask_features": (1, KERNEL_DIM, height, width),
            "instance_features": (1, DIM + 2, height, width),
        }

    def decoded_features(self) -> tuple[str, ...]:
        return ("instance_features",)
