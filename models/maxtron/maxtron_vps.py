"""MaXTron-VPS: Video-kMaX with a within-clip module between its backbone and its pixel decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Optional

from torch import Tensor, nn

from mobilevis.models.backbones import PYRAMIDS
from mobilevis.models.blocks.layers import GroupNorm
from mobilevis.models.blocks.mask2former import GROUPS, DeformableEncoder
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.entries import Streaming
from mobilevis.models.maxtron.kmax import MASK_SCALE, KMaxDecoder
from mobilevis.models.maxtron.maxtron import (
    ClipFeatures,
    MaXTron,
    QueryHeads,
    check_ablations,
    clip_memory,
)
from mobilevis.models.maxtron.pixel_decoder import KMaxPixelDecoder
from mobilevis.models.maxtron.within_clip import ClipMixer

# What the names of the registry stand for: the paper's (Table 1), and a small one of ours.
MAXTRON_VPS_SIZES: dict[str, dict[str, Any]] = {
    "r50": {"backbone": "resnet50"},
    "convnext-large": {"backbone": "convnext-large"},
    "convnextv2-large": {"backbone": "convnextv2-large"},
    "tiny": {
        "backbone": "resnet-tiny",
        "dim": 64,
        "heads": 4,
        "num_queries": 16,
        "kernel_dim": 32,
        "stages": 1,
        "axial_layers": 1,
        "encoder_hidden": 128,
        "pixel_filters": (32, 16, 16, 16),
        "pixel_blocks": (1, 1, 1, 1),
        "decoder_layers": (1, 1, 1),
        "decoder_hidden": 128,
        "cross_layers": 2,
        "video_clips": 4,
    },
}


@dataclass(frozen=True)
class MaXTronVpsConfig:
    """The architecture; the defaults are the paper's with ResNet-50, the widths kMaX-DeepLab's.

    Attributes:
        backbone: a key of ``PYRAMIDS``.
        num_classes: C; VIPSeg has 124.
        stuff_classes: indices of the classes without instances.
        num_queries: N.
        clip_length: T, frames of a clip (appendix B).
        video_clips: K, clips of a video in the cross-clip module's training (appendix B).
        dim: D, channels of queries and of the within-clip module.
        kernel_dim: D', channels of kernels and mask features.
        heads: attention heads, everywhere.
        stages: N_w, blocks of the within-clip module; 0 leaves the module out (Video-kMaX).
        deformable_layers: of each block; Table 5's sequential order is 2, with one stage, four axial layers.
        axial_layers: trajectory layers behind them; 0 for none, as the module is pre-trained on images.
        trajectory: ``axial``, or ``full`` for Table 5's baseline.
        points: samples of each head on each level.
        encoder_hidden: width of the feed-forward parts there.
        pixel_filters: base widths of the pixel decoder at strides 32, 16, 8 and 4.
        pixel_blocks: its blocks there.
        decoder_layers: k-means layers at strides 32, 16 and 8.
        decoder_hidden: width of their feed-forward parts.
        cross_layers: N_c, layers of the cross-clip module.
        cross_attention: ``trajectory``, or ``self`` (Table 6a).
        aspp_rates: dilations of its Temporal-ASPP (Table 6b); none leaves it out (Table 6a).
    """

    backbone: str = "resnet50"
    num_classes: int = 124
    stuff_classes: Sequence[int] = ()
    num_queries: int = 128
    clip_length: int = 2
    video_clips: int = 12
    dim: int = 256
    kernel_dim: int = 128
    heads: int = 8
    stages: int = 2
    deformable_layers: int = 1
    axial_layers: int = 2
    trajectory: str = "axial"
    points: int = 4
    encoder_hidden: int = 1024
    pixel_filters: Sequence[int] = (512, 256, 128, 64)
    pixel_blocks: Sequence[int] = (1, 5, 1, 1)
    decoder_layers: Sequence[int] = (2, 2, 2)
    decoder_hidden: int = 2048
    cross_layers: int = 6
    cross_attention: str = "trajectory"
    aspp_rates: Sequence[int] = (1, 2, 3)

    def __post_init__(self) -> None:
        check_known("backbone", self.backbone, PYRAMIDS)
        for key, length in {"pixel_filters": 4, "pixel_blocks": 4, "decoder_layers": 3}.items():
            values = getattr(self, key)
            if len(values) != length:
                raise ValueError(f"{key} {values} are not {length} numbers")
            for value in values:
                check_positive(key, value)
        for field in fields(self):
            if field.type == "int" and field.name not in ("stages", "axial_layers"):
                check_positive(field.name, getattr(self, field.name))
        check_ablations(self)
        for key in ("stages", "axial_layers"):
            value = getattr(self, key)
            if not isinstance(value, int) or value < 0:
                raise ValueError(f"{key} {value!r} is not 0 or more")
        if any(not isinstance(c, int) or not 0 <= c < self.num_classes for c in self.stuff_classes):
            raise ValueError(
                f"stuff_classes {self.stuff_classes} are not indices of {self.num_classes} classes"
            )
        if (
            self.dim % (2 * self.heads)
            or self.dim % GROUPS
            or any(f % self.heads for f in self.pixel_filters)
        ):
            raise ValueError(f"dim {self.dim} and pixel_filters {self.pixel_filters} do not fit the heads")


class KMaxOutput(NamedTuple):
    """What a k-means layer, or the final predictor, says of B clips.

    Attributes:
        class_logits: (B, N, C + 1), the last one for "no object".
        mask_logits: (B, N, T, h, w); a softmax over N.
        pixels: (B, D', T, h, w), unit vectors.
    """

    class_logits: Tensor
    mask_logits: Tensor
    pixels: Tensor


class WithinClip(nn.Module):
    """The within-clip tracking module (§3.2): deformable layers with axial-trajectory layers between them.

    It takes and gives the channels of the backbone.

    Args:
        channels: of the levels at strides 8, 16 and 32.
        config: of the model.
    """

    def __init__(self, channels: Sequence[int], config: MaXTronVpsConfig) -> None:
        super().__init__()
        c = config
        mixer = ClipMixer(
            c.dim,
            c.heads,
            c.encoder_hidden,
            c.stages,
            c.axial_layers,
            c.clip_length,
            c.trajectory,
            c.deformable_layers,
        )
        layers = c.stages * c.deformable_layers
        self.encoder = DeformableEncoder(
            channels, c.dim, c.heads, layers, c.points, c.encoder_hidden, between=mixer
        )
        self.outputs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c.dim, width, 1), GroupNorm(GROUPS, width)) for width in channels
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features of clips at strides 8, 16 and 32 → the same shapes."""
        levels = reversed(self.encoder.levels(features))
        return [project(x) for project, x in zip(self.outputs, levels)]


class MaXTronVps(MaXTron):
    """MaXTron for video panoptic segmentation; see ``MaXTronVpsConfig``."""

    driver = "maxtron-vps"

    def __init__(self, config: MaXTronVpsConfig) -> None:
        c = config
        super().__init__(c, c.kernel_dim, QueryHeads(c.dim, c.kernel_dim, c.num_classes, MASK_SCALE))
        channels = self.backbone.level_channels
        self.within_clip: Optional[WithinClip] = WithinClip(channels[1:], c) if c.stages else None
        self.pixel_decoder = KMaxPixelDecoder(channels, c.pixel_filters, c.pixel_blocks, c.heads)
        self.decoder = KMaxDecoder(
            self.pixel_decoder.channels,
            c.dim,
            c.kernel_dim,
            c.heads,
            c.num_queries,
            c.num_classes,
            c.decoder_layers,
            c.decoder_hidden,
        )

    def build_streaming(
        self, input_size: tuple[int, int], max_instances: int, video_clips: Optional[int] = None
    ) -> Streaming:
        """See ``MaXTron``; the driver also reads which classes have no instances.

        Raises:
            ValueError: not all queries get masks, or K is not positive.
        """
        if max_instances != self.num_queries:
            raise ValueError("a panoptic model shares pixels out among all its queries, not max_instances")
        streaming = super().build_streaming(input_size, max_instances, video_clips)
        stuff = {"stuff_classes": list(self.config.stuff_classes)}
        return replace(streaming, driver_options={**streaming.driver_options, **stuff})

    def clip_features(self, features: Sequence[Tensor]) -> ClipFeatures:
        coarse = list(features[1:]) if self.within_clip is None else self.within_clip(features[1:])
        levels = self.pixel_decoder([features[0], *coarse])
        return ClipFeatures(self.decoder.predictor.normal_pixels(levels[-1]), levels[:-1])

    def clip_queries(self, features: ClipFeatures) -> list[Tensor]:
        return self._run_layers(features)[0]

    def _run_layers(self, features: ClipFeatures) -> tuple[list[Tensor], list[KMaxOutput]]:
        clips = features.mask_features.shape[0] // self.clip_length
        queries, found = [self.decoder.initial_queries(clips)], []
        for level, layer in zip(self.decoder.levels, self.decoder.layers):
            x = features.levels[level]
            after, class_logits, mask_logits, cells = layer(queries[-1], x)
            size = (clips, -1, self.clip_length, *x.shape[-2:])
            found.append(KMaxOutput(class_logits, mask_logits.view(size), cells.view(size)))
            queries.append(after)
        return [x.squeeze(3).transpose(1, 2) for x in queries], found

    def read(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        class_logits, kernels = self._read(queries)
        return class_logits, self.decoder.predictor.scaled_kernels(kernels)

    def _read(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """As ``read``, the kernels without the scale of the mask norm."""
        decoder, x = self.decoder, queries.transpose(1, 2)[..., None]
        class_logits = decoder.predictor.class_logits(decoder.class_embedding(x))
        return class_logits, decoder.predictor.kernels(decoder.kernel_embedding(x))

    def forward(self, frames: Tensor) -> list[KMaxOutput]:
        """Frames (T·B, 3, H, W) of B clips, frame-major → the outputs of each layer and of the final
        predictor."""
        return self.predict(self.clip_features(self.encode(frames)))

    def predict(self, clip: ClipFeatures) -> list[KMaxOutput]:
        """Features of B clips → as ``forward``."""
        queries, found = self._run_layers(clip)
        class_logits, kernels = self._read(queries[-1])
        pixels = clip_memory(clip.mask_features, len(kernels))
        masks = self.decoder.predictor.mask_logits(kernels, pixels.flatten(2))
        found.append(KMaxOutput(class_logits, masks.view(len(kernels), -1, *pixels.shape[2:]), pixels))
        return found
