"""MaXTron (Axial-VS): clip-level segmentation with trajectory attention within and across clips.

Each frame runs through the backbone when it comes; every T frames the clip's module and decoder find N tubes;
the client links the tubes of successive clips by their queries (near-online), and may refine the queries of K
clips together before it draws any mask (offline).

Tensors of clips are frame-major: (T·B, …) holds the first frames of B clips, then their second ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor, nn

from mobilevis.models.backbones import create_pyramid
from mobilevis.models.blocks.layers import ImageNetNormalise, LayerNorm
from mobilevis.models.blocks.mask2former import object_scores
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.entries import Entry, Shape, Streaming, StreamingModel
from mobilevis.models.maxtron.cross_clip import CROSS_ATTENTIONS, CrossClipModule
from mobilevis.models.maxtron.trajectory import TRAJECTORIES

STRIDES = (4, 8, 16, 32)


def check_ablations(config: Any) -> None:
    """Raise ValueError unless the options of Tables 5 and 6, which both MaXTrons have, are known."""
    check_known("trajectory", config.trajectory, TRAJECTORIES)
    check_known("cross_attention", config.cross_attention, CROSS_ATTENTIONS)
    for rate in config.aspp_rates:
        check_positive("aspp_rates", rate)


class ClipPrediction(NamedTuple):
    """What N queries say of B clips.

    Attributes:
        class_logits: (B, N, C + 1), the last one for "no object".
        mask_logits: (B, N, T, h, w).
    """

    class_logits: Tensor
    mask_logits: Tensor


class ClipFeatures(NamedTuple):
    """What a decoder reads of B clips of T frames.

    Attributes:
        mask_features: (T·B, D', H/4, W/4).
        levels: (T·B, D_s, H/s, W/s) for s = 32, 16, 8.
    """

    mask_features: Tensor
    levels: Sequence[Tensor]


class QueryHeads(nn.Module):
    """From refined queries to classes and kernels, where the cross-clip module has heads of its own.

    Args:
        dim: D, channels of the queries.
        kernel_dim: D', channels of the mask features.
        num_classes: C.
        scale: of kernels that are normed, for mask logits that compete in a softmax; None norms nothing.
    """

    def __init__(self, dim: int, kernel_dim: int, num_classes: int, scale: Optional[float]) -> None:
        super().__init__()
        self.class_embedding = nn.Sequential(nn.Linear(dim, dim), nn.GELU())
        self.class_head = nn.Linear(dim, num_classes + 1)
        self.kernel_head = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, kernel_dim))
        if scale is not None:
            norm = LayerNorm(kernel_dim)
            nn.init.constant_(norm.weight, scale)
            self.kernel_head.append(norm)


class MaXTron(StreamingModel):
    """What both MaXTrons share: entries, the backbone and the cross-clip module.

    Args:
        config: the architecture.
        kernel_dim: D', channels of kernels and mask features.
        cross_clip_heads: what reads refined queries; None where the subclass reads them.
    """

    size_multiple = 32
    rounding = "deep"

    def __init__(self, config: Any, kernel_dim: int, cross_clip_heads: Optional[QueryHeads]) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.num_queries = config.num_queries
        self.clip_length = config.clip_length
        self.kernel_dim = kernel_dim
        self.normalise = ImageNetNormalise()
        self.backbone = create_pyramid(config.backbone)
        self.cross_clip_module = CrossClipModule(
            config.dim, config.heads, config.cross_layers, config.cross_attention, config.aspp_rates
        )
        self.cross_clip_heads = cross_clip_heads

    def clip_features(self, features: Sequence[Tensor]) -> ClipFeatures:
        """The within-clip module and the pixel decoder, over the backbone's features of B clips (T·B, …)."""
        raise NotImplementedError

    def clip_queries(self, features: ClipFeatures) -> list[Tensor]:
        """Clip object queries (B, N, D): the learned ones, and after each decoder layer."""
        raise NotImplementedError

    def read(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Final queries (B, N, D) → class logits (B, N, C + 1) and kernels (B, N, D')."""
        raise NotImplementedError

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Frames (B, 3, H, W), RGB in [0, 255] → features at strides 4, 8, 16 and 32."""
        return self.backbone.levels(self.normalise(frame))

    def decode(self, *features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of one clip, (T, C_s, H/s, W/s), to what the client keeps of it.

        Returns:
            Mask features (T, D', H/4, W/4), queries (1, N, D), kernels (1, N, D'), scores (1, N, C).
        """
        clip = self.clip_features(features)
        queries = self.clip_queries(clip)[-1]
        class_logits, kernels = self.read(queries)
        return clip.mask_features, queries, kernels, object_scores(class_logits)

    def cross_clip(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Aligned queries of K clips (K, N, D) → kernels (K, N, D'), and the video's scores (1, N, C)."""
        refined = self.cross_clip_module(queries)[-1]
        class_logits, kernels = self.read_refined(refined)
        return kernels, object_scores(class_logits)

    def read_refined(self, refined: Tensor) -> tuple[Tensor, Tensor]:
        """Refined queries (K, N, D) → class logits of the video (1, N, C + 1), kernels (K, N, D')."""
        heads = self.cross_clip_heads
        assert heads is not None
        embedding = self.cross_clip_module.video_embedding(heads.class_embedding(refined))
        return heads.class_head(embedding), heads.kernel_head(refined)

    def segment(self, kernels: Tensor, mask_features: Tensor) -> Tensor:
        """Kernels (B, S, D'), any S, times one frame's mask features (B, D', h, w) → (B, S, h, w)."""
        masks = torch.bmm(kernels, mask_features.flatten(2))
        return masks.view(*kernels.shape[:2], *mask_features.shape[-2:])

    def segment_clips(self, kernels: Tensor, mask_features: Tensor) -> Tensor:
        """Kernels (B, N, D') and mask features (T·B, D', h, w) → mask logits (B, N, T, h, w)."""
        return torch.einsum("bnd,bdthw->bnthw", kernels, clip_memory(mask_features, len(kernels)))

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        """What ``encode`` returns at one input size, in order."""
        height, width = input_size
        return {
            f"features_{stride}": (1, channels, height // stride, width // stride)
            for stride, channels in zip(STRIDES, self.backbone.level_channels)
        }

    def build_streaming(
        self, input_size: tuple[int, int], max_instances: int, video_clips: Optional[int] = None
    ) -> Streaming:
        """``encode``, ``decode``, ``cross_clip`` and ``segment`` at one input size.

        Args:
            input_size: (height, width).
            max_instances: S, masks of a frame.
            video_clips: K, clips that ``cross_clip`` takes together; None for the paper's video in training.

        Raises:
            ValueError: K is not positive.
        """
        K = self.config.video_clips if video_clips is None else video_clips
        check_positive("video_clips", K)
        N, D, S = self.num_queries, self.config.dim, max_instances
        features = self.feature_shapes(input_size)
        clip = {name: (self.clip_length, *shape[1:]) for name, shape in features.items()}
        height, width = input_size[0] // 4, input_size[1] // 4
        tube = {"queries": (1, N, D), "kernels": (1, N, self.kernel_dim), "scores": (1, N, self.num_classes)}
        mask_features = (self.kernel_dim, height, width)
        entries = {
            "encode": Entry("encode", {"frame": (1, 3, *input_size)}, features),
            "decode": Entry("decode", clip, {"mask_features": (self.clip_length, *mask_features), **tube}),
            "cross_clip": Entry(
                "cross_clip",
                {"queries": (K, N, D)},
                {"kernels": (K, N, self.kernel_dim), "scores": tube["scores"]},
            ),
            "segment": Entry(
                "segment",
                {"kernels": (1, S, self.kernel_dim), "mask_features": (1, *mask_features)},
                {"mask_logits": (1, S, height, width)},
            ),
        }
        # Offline runs every entry, near-online all but cross_clip.
        return Streaming(entries, {"max_instances": S, "mask_stride": 4}, gate_options={"mode": "offline"})


def clip_memory(level: Tensor, clips: int) -> Tensor:
    """A level of B clips, (T·B, D, H, W) → (B, D, T, H, W)."""
    return level.view(-1, clips, *level.shape[1:]).permute(1, 2, 0, 3, 4)
