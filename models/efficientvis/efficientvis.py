"""EfficientVIS (Wu et al., CVPR 2022): tracklet queries that segment a clip at once and start the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor, nn

from mobilevis.models.backbones import PYRAMIDS, create_pyramid
from mobilevis.models.blocks.fpn import FeaturePyramid
from mobilevis.models.blocks.layers import ImageNetNormalise
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.efficientvis.interaction import (
    SELF_ATTENTIONS,
    Interaction,
    MaskHead,
    QueryVideoInteraction,
)
from mobilevis.models.entries import Entry, Shape, Streaming, StreamingModel

LEVELS = ("p2", "p3", "p4", "p5")
FINEST_STRIDE = 4

# The paper's configurations, and ours for tests and for learning one clip by heart.
EFFICIENTVIS_SIZES: dict[str, dict[str, Any]] = {
    "r50": {"backbone": "resnet50"},
    "r101": {"backbone": "resnet101"},
    "tiny": {
        "backbone": "resnet-tiny",
        "clip_length": 4,
        "iterations": 3,
        "dim": 64,
        "heads": 4,
        "hidden": 128,
        "dynamic_dim": 16,
        "box_bins": 5,
        "finest_scale": 16.0,
    },
}


@dataclass(frozen=True)
class EfficientVISConfig:
    """The architecture; the paper says N, T and M (§4.1), QueryInst and Sparse R-CNN the widths.

    Attributes:
        backbone: a key of ``PYRAMIDS``.
        num_classes: K; YouTube-VIS has 40.
        num_queries: N.
        clip_length: T, frames of a clip. No weight depends on it: an export may choose another.
        iterations: M.
        dim: C, channels of features and queries.
        heads: attention heads.
        hidden: width of the feed-forward part.
        dynamic_dim: hidden channels of the dynamic convolutions.
        box_bins: of the crops for classes and boxes; those for masks have twice as many, masks four times.
        finest_scale: pixels; boxes of up to twice this side are cropped from stride 4.
        self_attention: of the queries, a key of ``interaction.SELF_ATTENTIONS`` (Table 1a).
        temporal_conv: False for a dynamic convolution of each frame alone (Table 1b).
        time_shared: True for one embedding a query: what an iteration makes of it is averaged over the frames
            (Table 1f).
    """

    backbone: str = "resnet50"
    num_classes: int = 40
    num_queries: int = 10
    clip_length: int = 36
    iterations: int = 6
    dim: int = 256
    heads: int = 8
    hidden: int = 2048
    dynamic_dim: int = 64
    box_bins: int = 7
    finest_scale: float = 56.0
    self_attention: str = "factorised"
    temporal_conv: bool = True
    time_shared: bool = False

    def __post_init__(self) -> None:
        check_known("backbone", self.backbone, PYRAMIDS)
        check_known("self_attention", self.self_attention, SELF_ATTENTIONS)
        for field in fields(self):
            if field.type == "int":
                check_positive(field.name, getattr(self, field.name))
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of the {self.heads} heads")
        if not self.finest_scale > 0:
            raise ValueError(f"finest_scale {self.finest_scale!r} is not positive")


class ClipPrediction(NamedTuple):
    """One iteration's interaction and the masks that it gives, (T, N, m, m) logits inside the boxes."""

    interaction: Interaction
    mask_logits: Tensor


class EfficientVIS(StreamingModel):
    """EfficientVIS with any T; see ``EfficientVISConfig``."""

    driver = "efficientvis"
    size_multiple = 32
    rounding = "deep"

    def __init__(self, config: EfficientVISConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.num_queries = config.num_queries
        self.normalise = ImageNetNormalise()
        self.backbone = create_pyramid(config.backbone)
        self.pyramid = FeaturePyramid(self.backbone.level_channels, config.dim)
        # One embedding a query, repeated T times: all of them belong to one instance (§3.1).
        self.queries = nn.Parameter(torch.randn(1, config.num_queries, config.dim))
        # Learned proposals start as the whole frame, which the paper finds them to stay.
        self.proposals = nn.Parameter(torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(1, config.num_queries, 1))
        self.iterations = nn.ModuleList(
            QueryVideoInteraction(
                config.dim,
                config.heads,
                config.hidden,
                config.dynamic_dim,
                config.num_classes,
                config.box_bins,
                config.finest_scale,
                config.self_attention,
                config.temporal_conv,
            )
            for _ in range(config.iterations)
        )
        # As in QueryInst, every iteration has masks in training; only the last one's are exported.
        self.mask_heads = nn.ModuleList(
            MaskHead(
                config.dim,
                config.dynamic_dim,
                2 * config.box_bins,
                config.finest_scale,
                config.temporal_conv,
            )
            for _ in range(config.iterations)
        )

    @property
    def mask_size(self) -> int:
        """m: rows and columns of a mask inside its box."""
        return 4 * self.config.box_bins

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Frames (B, 3, H, W), RGB in [0, 255] → pyramid (B, H/4, W/4, C) … (B, H/32, W/32, C).

        Channels are last: the crops of any client then are products with rows of the features as they lie.
        """
        levels = self.pyramid(self.backbone.levels(self.normalise(frame)))
        return tuple(level.permute(0, 2, 3, 1).contiguous() for level in levels)

    def decode(
        self, p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, queries: Tensor, carried: Tensor
    ) -> tuple[Tensor, ...]:
        """All iterations on a clip, without masks.

        Args:
            p2: (T, H/4, W/4, C), the finest level of the clip's pyramid.
            p3: (T, H/8, W/8, C).
            p4: (T, H/16, W/16, C).
            p5: (T, H/32, W/32, C).
            queries: (1, N, C), what ``decode`` returned for the clip before.
            carried: (1, N, 1), 1 where a tracklet starts from ``queries``, 0 where it starts from the learned
                initial query, as all do in the first clip.

        Returns:
            Scores (T, N, K) in [0, 1], boxes (T, N, 4), attended queries (T, N, C) for ``segment``, and
            queries (1, N, C) for the next clip: the updated ones, averaged over time (§3.3).
        """
        start = self.queries + carried * (queries - self.queries)
        last = self._iterate((p2, p3, p4, p5), start)[-1]
        carry = last.queries.mean(dim=0, keepdim=True)
        return last.class_logits.sigmoid(), last.boxes, last.attended, carry

    def segment(
        self, p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, attended: Tensor, boxes: Tensor
    ) -> Tensor:
        """Masks of S tracklets, any S.

        Args:
            p2: (T, H/4, W/4, C), the finest level of the clip's pyramid.
            p3: (T, H/8, W/8, C).
            p4: (T, H/16, W/16, C).
            p5: (T, H/32, W/32, C).
            attended: (T, S, C), of ``decode``.
            boxes: (T, S, 4), of ``decode``.

        Returns:
            (T, S, m, m) logits; cells share out the box evenly.
        """
        return self.mask_heads[-1]((p2, p3, p4, p5), attended, boxes)

    def forward(self, levels: Sequence[Tensor], queries: Optional[Tensor] = None) -> list[ClipPrediction]:
        """Every iteration's prediction for one clip, as training supervises them.

        Args:
            levels: pyramid of the clip, as ``encode`` returns it for its T frames.
            queries: (1, N, C) to start from; None takes the learned ones.
        """
        results = self._iterate(levels, self.queries if queries is None else queries)
        return [
            ClipPrediction(result, head(levels, result.attended, result.boxes.detach()))
            for head, result in zip(self.mask_heads, results)
        ]

    def _iterate(self, levels: Sequence[Tensor], start: Tensor) -> list[Interaction]:
        frames = levels[0].shape[0]
        queries = start.repeat(frames, 1, 1)
        boxes = self.proposals.repeat(frames, 1, 1)
        results: list[Interaction] = []
        for iteration in self.iterations:
            result = iteration(levels, queries, boxes)
            # As in Sparse R-CNN, an iteration learns to refine the boxes it is given, not to be given others.
            queries, boxes = result.queries, result.boxes.detach()
            if self.config.time_shared:
                queries = queries.mean(dim=0, keepdim=True).repeat(frames, 1, 1)
            results.append(result)
        return results

    def build_streaming(
        self, input_size: tuple[int, int], max_instances: int, clip_length: Optional[int] = None
    ) -> Streaming:
        """``encode`` for one frame, ``decode`` and ``segment`` for a clip.

        Args:
            input_size: (height, width).
            max_instances: S, tracklets that ``segment`` takes.
            clip_length: T; None takes the configuration's.

        Raises:
            ValueError: T is not positive.
        """
        T = self.config.clip_length if clip_length is None else clip_length
        check_positive("clip_length", T)
        S, N, C, K = max_instances, self.num_queries, self.config.dim, self.num_classes
        clip = self._level_shapes(input_size, T)
        state: dict[str, Shape] = {"queries": (1, N, C), "carried": (1, N, 1)}
        found: dict[str, Shape] = {"scores": (T, N, K), "boxes": (T, N, 4), "attended": (T, N, C)}
        live: dict[str, Shape] = {"attended": (T, S, C), "boxes": (T, S, 4)}
        masks: dict[str, Shape] = {"mask_logits": (T, S, self.mask_size, self.mask_size)}
        entries = {
            "encode": Entry("encode", {"frame": (1, 3, *input_size)}, self._level_shapes(input_size, 1)),
            "decode": Entry("decode", {**clip, **state}, {**found, "next_queries": (1, N, C)}),
            "segment": Entry("segment", {**clip, **live}, masks),
        }
        return Streaming(entries, {"max_instances": S, "clip_length": T})

    def _level_shapes(self, input_size: tuple[int, int], frames: int) -> dict[str, Shape]:
        strides = [FINEST_STRIDE * 2**level for level in range(len(LEVELS))]
        height, width = input_size
        return {
            name: (frames, height // stride, width // stride, self.config.dim)
            for name, stride in zip(LEVELS, strides)
        }
