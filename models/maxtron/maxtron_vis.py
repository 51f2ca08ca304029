"""MaXTron-VIS: Tube-Link's clip-level Mask2Former with axial-trajectory attention in its pixel decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, nn

from mobilevis.models.backbones import PYRAMIDS
from mobilevis.models.blocks.mask2former import GROUPS, LEVELS, MaskedDecoder, PixelDecoder, mask_guides
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.maxtron.maxtron import (
    ClipFeatures,
    ClipPrediction,
    MaXTron,
    QueryHeads,
    check_ablations,
    clip_memory,
)
from mobilevis.models.maxtron.within_clip import ClipMixer

# What the names of the registry stand for: the paper's (Table 2), and a small one of ours.
MAXTRON_VIS_SIZES: dict[str, dict[str, Any]] = {
    "r50": {"backbone": "resnet50"},
    "swin-large": {"backbone": "swin-large"},
    "tiny": {
        "backbone": "resnet-tiny",
        "dim": 64,
        "heads": 4,
        "num_queries": 20,
        "encoder_layers": 2,
        "encoder_hidden": 128,
        "decoder_layers": 3,
        "decoder_hidden": 256,
        "cross_layers": 2,
        "video_clips": 2,
    },
}
# The paper inserts axial-trajectory attention "after each original MSDeformAttn" (appendix B). Its public
# code puts it inside that attention, on what it sampled, as f + γ·layer(f); the words allow "after" the whole
# layer too.
AXIAL_PLACES = ("inside", "after")


@dataclass(frozen=True)
class MaXTronVisConfig:
    """The architecture; the defaults are the paper's with ResNet-50.

    Attributes:
        backbone: a key of ``PYRAMIDS``.
        num_classes: C; YouTube-VIS has 40.
        num_queries: N.
        clip_length: T, frames of a clip (appendix B).
        video_clips: K, clips of a video in the cross-clip module's training (appendix B).
        dim: D, channels of features, queries and kernels.
        heads: attention heads, everywhere.
        encoder_layers: N_w, deformable layers of the pixel decoder.
        axial_layers: trajectory layers with each of them; 0 is Tube-Link without the within-clip module.
        axial_place: where they stand, one of ``AXIAL_PLACES``.
        trajectory: ``axial``, or ``full`` for Table 5's baseline.
        points: samples of each head on each level.
        encoder_hidden: width of the feed-forward parts there.
        decoder_layers: M.
        decoder_hidden: width of the decoder's feed-forward parts.
        cross_layers: N_c, layers of the cross-clip module.
        cross_attention: ``trajectory``, or ``self`` (Table 6a).
        aspp_rates: dilations of its Temporal-ASPP (Table 6b); none leaves it out (Table 6a).
        shared_heads: refined queries are read by Mask2Former's own norm and heads, as in the public code;
            False gives the cross-clip module heads of its own, and it takes queries behind the norm.
    """

    backbone: str = "resnet50"
    num_classes: int = 40
    num_queries: int = 100
    clip_length: int = 4
    video_clips: int = 5
    dim: int = 256
    heads: int = 8
    encoder_layers: int = 6
    axial_layers: int = 1
    axial_place: str = "inside"
    trajectory: str = "axial"
    points: int = 4
    encoder_hidden: int = 1024
    decoder_layers: int = 9
    decoder_hidden: int = 2048
    cross_layers: int = 4
    cross_attention: str = "trajectory"
    aspp_rates: Sequence[int] = (1, 2, 3)
    shared_heads: bool = True

    def __post_init__(self) -> None:
        check_known("backbone", self.backbone, PYRAMIDS)
        for field in fields(self):
            if field.type == "int" and field.name != "axial_layers":
                check_positive(field.name, getattr(self, field.name))
        check_known("axial_place", self.axial_place, AXIAL_PLACES)
        check_ablations(self)
        if not isinstance(self.axial_layers, int) or self.axial_layers < 0:
            raise ValueError(f"axial_layers {self.axial_layers!r} is not 0 or more")
        if self.dim % self.heads or self.dim % GROUPS:
            raise ValueError(f"dim {self.dim} is no multiple of {GROUPS} and of the {self.heads} heads")


class MaXTronVis(MaXTron):
    """MaXTron for video instance segmentation; see ``MaXTronVisConfig``."""

    driver = "maxtron-vis"
    usual_instances = 10  # what YouTube-VIS results keep of a video

    def __init__(self, config: MaXTronVisConfig) -> None:
        c = config
        heads = None if c.shared_heads else QueryHeads(c.dim, c.dim, c.num_classes, None)
        super().__init__(c, c.dim, heads)
        places: dict[str, nn.Module] = {}
        if c.axial_layers:
            inside = c.axial_place == "inside"
            places["inside" if inside else "between"] = ClipMixer(
                c.dim,
                c.heads,
                c.encoder_hidden,
                c.encoder_layers,
                c.axial_layers,
                c.clip_length,
                c.trajectory,
                residual=inside,
            )
        self.pixel_decoder = PixelDecoder(
            self.backbone.level_channels,
            c.dim,
            c.heads,
            c.encoder_layers,
            c.points,
            c.encoder_hidden,
            between=places.get("between"),
            inside=places.get("inside"),
        )
        self.decoder = MaskedDecoder(
            c.dim, c.heads, c.num_queries, c.num_classes, c.decoder_layers, c.decoder_hidden
        )

    def clip_features(self, features: Sequence[Tensor]) -> ClipFeatures:
        return ClipFeatures(*self.pixel_decoder(features))

    def clip_queries(self, features: ClipFeatures) -> list[Tensor]:
        clips = features.mask_features.shape[0] // self.clip_length
        memories = [clip_memory(x, clips) for x in self.decoder.memories(features.levels)]
        guides = [clip_memory(x, clips) for x in mask_guides(features.mask_features, features.levels)]
        queries = [self.decoder.initial_queries(clips)]
        for index in range(self.config.decoder_layers):
            level = index % LEVELS
            queries.append(self.decoder.run_layer(index, queries[-1], memories[level], guides[level]))
        if self.config.shared_heads:
            return queries
        return [*queries[:-1], self.decoder.embeddings(queries[-1])]

    def read(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.decoder.embeddings(queries) if self.config.shared_heads else queries
        return self.decoder.class_head(normed), self.decoder.kernel_head(normed)

    def read_refined(self, refined: Tensor) -> tuple[Tensor, Tensor]:
        if not self.config.shared_heads:
            return super().read_refined(refined)
        normed = self.decoder.embeddings(refined)
        embedding = self.cross_clip_module.video_embedding(normed)
        return self.decoder.class_head(embedding), self.decoder.kernel_head(normed)

    def forward(self, frames: Tensor) -> list[ClipPrediction]:
        """Frames (T·B, 3, H, W) of B clips, frame-major → predictions from the learned queries and after each
        layer."""
        clip = self.clip_features(self.encode(frames))
        *queries, last = self.clip_queries(clip)
        if not self.config.shared_heads:  # the last ones are behind the norm already
            queries = [self.decoder.embeddings(x) for x in queries]
        read = [self.read(x) for x in (*queries, last)]
        return [
            ClipPrediction(class_logits, self.segment_clips(kernels, clip.mask_features))
            for class_logits, kernels in read
        ]
