"""MaXTron-VIS: Tube-Link's clip-level Mask2Former with axial-trajectory attention in its pixel decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mobilevis.models.backbones.resnet import RESNETS
from mobilevis.models.blocks.mask2former import GROUPS, LEVELS, MaskedDecoder, PixelDecoder, mask_guides
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.maxtron.maxtron import ClipFeatures, ClipPrediction, MaXTron, clip_memory
from mobilevis.models.maxtron.trajectory import ClipMixer

# What the names of the registry stand for: the paper's, and a small one of ours.
MAXTRON_VIS_SIZES: dict[str, dict[str, Any]] = {
    "r50": {"backbone": "resnet50"},
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


@dataclass(frozen=True)
class MaXTronVisConfig:
    """The architecture; the defaults are the paper's with ResNet-50.

    Attributes:
        backbone: a key of ``RESNETS``.
        num_classes: C; YouTube-VIS has 40.
        num_queries: N.
        clip_length: T, frames of a clip (appendix B).
        video_clips: K, clips of a video in the cross-clip module's training (appendix B).
        dim: D, channels of features, queries and kernels.
        heads: attention heads, everywhere.
        encoder_layers: N_w, deformable layers of the pixel decoder.
        axial_layers: axial-trajectory layers after each of them; 0 is Tube-Link without the within-clip
            module.
        points: samples of each head on each level.
        encoder_hidden: width of the feed-forward parts there.
        decoder_layers: M.
        decoder_hidden: width of the decoder's feed-forward parts.
        cross_layers: N_c, layers of the cross-clip module.
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
    points: int = 4
    encoder_hidden: int = 1024
    decoder_layers: int = 9
    decoder_hidden: int = 2048
    cross_layers: int = 4

    def __post_init__(self) -> None:
        check_known("backbone", self.backbone, RESNETS)
        for key, value in vars(self).items():
            if key not in ("backbone", "axial_layers"):
                check_positive(key, value)
        if not isinstance(self.axial_layers, int) or self.axial_layers < 0:
            raise ValueError(f"axial_layers {self.axial_layers!r} is not 0 or more")
        if self.dim % self.heads or self.dim % GROUPS:
            raise ValueError(f"dim {self.dim} is no multiple of {GROUPS} and of the {self.heads} heads")


class MaXTronVis(MaXTron):
    """MaXTron for video instance segmentation; see ``MaXTronVisConfig``."""

    driver = "maxtron-vis"
    usual_instances = 10  # what YouTube-VIS results keep of a video

    def __init__(self, config: MaXTronVisConfig) -> None:
        super().__init__(config, kernel_dim=config.dim)
        c = config
        mixer = ClipMixer(c.dim, c.heads, c.encoder_hidden, c.encoder_layers, c.axial_layers, c.clip_length)
        self.pixel_decoder = PixelDecoder(
            self.backbone.channels,
            c.dim,
            c.heads,
            c.encoder_layers,
            c.points,
            c.encoder_hidden,
            between=mixer if c.axial_layers else None,
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
        # The cross-clip module and the association read queries as the heads do, behind the last norm.
        return [*queries[:-1], self.decoder.embeddings(queries[-1])]

    def read(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        return self.decoder.class_head(queries), self.decoder.kernel_head(queries)

    def forward(self, frames: Tensor) -> list[ClipPrediction]:
        """Frames (T·B, 3, H, W) of B clips, frame-major → predictions from the learned queries and after each
        layer."""
        clip = self.clip_features(self.encode(frames))
        *queries, last = self.clip_queries(clip)
        read = [self.read(self.decoder.embeddings(x)) for x in queries] + [self.read(last)]
        return [
            ClipPrediction(class_logits, self.segment_clips(kernels, clip.mask_features))
            for class_logits, kernels in read
        ]
