"""MobileInst (Zhang et al., 2023): video instance segmentation on phones, one frame at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor, nn

from mobilevis.models.backbones import BACKBONES, create_backbone
from mobilevis.models.blocks.layers import ConvNorm, ImageNetNormalise, Pyramid
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.entries import Shape
from mobilevis.models.mobileinst.instance_decoder import POOLINGS, STAGES, DecodedQueries, InstanceDecoder
from mobilevis.models.mobileinst.kernel_model import KernelModel
from mobilevis.models.mobileinst.mask_decoder import MASK_DECODERS
from mobilevis.models.mobileinst.propagation import Propagation, PropagationConfig

FEATURE_STRIDE = 8  # of the mask features


@dataclass(frozen=True)
class MobileInstConfig:
    """The architecture, with every ablation of the paper's Tables 3–6.

    Attributes:
        backbone: TopFormer's or SeaFormer's size, such as ``topformer-base``.
        num_classes: C.
        num_queries: N (Table 6: 20, 50, 100, 200).
        dim: D, channels of features, queries and kernels; None for the width that suits the backbone: 256 for
            ``base``, which the paper's FLOPs determine, and ``large``, 192 for ``small``, 128 for ``tiny``.
        heads: attention heads of the instance decoder.
        instance_decoder: stages of the instance decoder (Table 3).
        pooling: from mask features to local features (Table 4).
        mask_decoder: see ``mask_decoder`` (Table 5).
        drop_path: stochastic depth of the backbone in training.
        propagation: a light encoder for the frames between keyframes (ours); None as published.
    """

    backbone: str = "topformer-base"
    num_classes: int = 80
    num_queries: int = 100
    dim: Optional[int] = None
    heads: int = 8
    instance_decoder: str = "global-local"
    pooling: str = "max8"
    mask_decoder: str = "iterative-se"
    drop_path: float = 0.1
    propagation: Optional[PropagationConfig] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "propagation", PropagationConfig.read(self.propagation))
        known: dict[str, Collection[str]] = {
            "backbone": BACKBONES,
            "instance_decoder": STAGES,
            "pooling": POOLINGS,
            "mask_decoder": MASK_DECODERS,
        }
        for key, names in known.items():
            check_known(key, getattr(self, key), names)
        for key in ("num_classes", "num_queries", "heads"):
            check_positive(key, getattr(self, key))
        if not isinstance(self.width, int) or self.width < 1 or self.width % self.heads or self.width % 4:
            raise ValueError(f"dim {self.width!r} is not a multiple of 4 and of the {self.heads} heads")
        if not 0.0 <= self.drop_path < 1.0:
            raise ValueError(f"drop_path {self.drop_path!r} is not in [0, 1)")

    @property
    def width(self) -> int:
        """D: ``dim``, or the backbone's."""
        return BACKBONES[self.backbone].dim if self.dim is None else self.dim


@dataclass(frozen=True)
class MobileInstOutput:
    """What training and eager inference read from a batch of B frames.

    Attributes:
        class_logits: (B, N, C).
        objectness_logits: (B, N).
        kernels: (B, N, D).
        mask_logits: (B, N, H/4, W/4).
        mask_features: (B, D, H/8, W/8).
        global_features: (B, D, H/64, W/64).
        passing_queries: (B, N, D), the queries after the decoder's first stage, Q_G of Fig. 4.
        queries: (B, N, D), the queries after its last stage, which the heads read.
    """

    class_logits: Tensor
    objectness_logits: Tensor
    kernels: Tensor
    mask_logits: Tensor
    mask_features: Tensor
    global_features: Tensor
    passing_queries: Tensor
    queries: Tensor


class MobileInst(KernelModel):
    """MobileInst with any backbone and ablation; see ``MobileInstConfig``."""

    def __init__(self, config: MobileInstConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.num_queries = config.num_queries
        self.dim = dim = config.width
        self.normalise = ImageNetNormalise()
        self.backbone = create_backbone(config.backbone, dim, config.drop_path)
        channels = self.backbone.channels
        self.laterals = nn.ModuleList(nn.Identity() if c == dim else ConvNorm(c, dim) for c in channels[:3])
        self.global_projection = ConvNorm(channels[3], dim)
        self.mask_decoder = MASK_DECODERS[config.mask_decoder](dim, channels[3])
        self.instance_decoder = InstanceDecoder(
            dim, config.heads, config.num_queries, config.num_classes, config.instance_decoder, config.pooling
        )
        if config.propagation is not None:
            self.propagation = Propagation(config.propagation, dim)

    def encode(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, 3, H, W), RGB in [0, 255] → X_mask (B, D, H/8, W/8), X_G (B, D, H/64, W/64)."""
        x3, x4, x5, x6 = self.backbone(self.normalise(frame))
        x3, x4, x5 = (lateral(x) for lateral, x in zip(self.laterals, (x3, x4, x5)))
        return self.mask_decoder(Pyramid(x3, x4, x5, x6)), self.global_projection(x6)

    def decode(self, mask_features: Tensor, global_features: Tensor) -> tuple[Tensor, Tensor]:
        """Features → kernels (B, N, D) and scores (B, N, C) = sqrt(σ(class) · σ(objectness))."""
        decoder = self.instance_decoder
        queries = decoder.initial_queries(mask_features.shape[0])
        queries = decoder.run_stage(0, queries, mask_features, global_features)
        read = self.decode_from_queries(queries, mask_features, global_features)
        scores = torch.sqrt(read.class_logits.sigmoid() * read.objectness_logits.sigmoid())
        return read.kernels, scores

    def forward(self, frames: Tensor) -> MobileInstOutput:
        """Frames (B, 3, H, W), RGB in [0, 255], any B; H and W multiples of 64."""
        mask_features, global_features = self.encode(frames)
        decoder = self.instance_decoder
        passing = decoder.run_stage(
            0, decoder.initial_queries(frames.shape[0]), mask_features, global_features
        )
        read = self.decode_from_queries(passing, mask_features, global_features)
        return MobileInstOutput(
            class_logits=read.class_logits,
            objectness_logits=read.objectness_logits.squeeze(-1),
            kernels=read.kernels,
            mask_logits=self.segment(read.kernels, mask_features),
            mask_features=mask_features,
            global_features=global_features,
            passing_queries=passing,
            queries=read.queries,
        )

    def decode_from_queries(
        self, queries: Tensor, mask_features: Tensor, global_features: Tensor
    ) -> DecodedQueries:
        """Run the decoder's remaining stages and heads on queries that left its first stage.

        This is temporal query passing (§3.5, Fig. 4): give it ``passing_queries`` of frame t and the features
        of frame t + δ, and ``segment`` its kernels with the mask features of frame t + δ. With the paper's
        ``global-local`` decoder the remaining stage is the local one; a decoder of one stage has none, and
        its heads read the passed queries as they are.

        Args:
            queries: (B, N, D).
            mask_features: (B, D, H/8, W/8).
            global_features: (B, D, H/64, W/64); read only where a remaining stage is global.
        """
        decoder = self.instance_decoder
        for stage in range(1, len(decoder.stages)):
            queries = decoder.run_stage(stage, queries, mask_features, global_features)
        return decoder.read(queries)

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        height, width = input_size
        return {
            "mask_features": (1, self.dim, height // FEATURE_STRIDE, width // FEATURE_STRIDE),
            "global_features": (1, self.dim, height // 64, width // 64),
        }

    def decoded_features(self) -> tuple[str, ...]:
        return ("mask_features", "global_features")
