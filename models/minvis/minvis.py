"""MinVIS (Huang et al., NeurIPS 2022): Mask2Former on each frame, objects followed by their queries alone.

Nothing in the network knows of video: the client matches the queries of a frame with those of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from mobilevis.models.backbones import LEVEL_BACKBONES, create_level_backbone
from mobilevis.models.blocks.layers import ImageNetNormalise
from mobilevis.models.blocks.mask2former import (
    GROUPS,
    LEVELS,
    MaskedDecoder,
    PixelDecoder,
    mask_guides,
    object_scores,
)
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.entries import Entry, Shape, Streaming, StreamingModel

STRIDES = (32, 16, 8)
PYRAMID = 4  # the backbone's levels that are read, at strides 4 to 32

_SMALL = {
    "dim": 64,
    "heads": 4,
    "num_queries": 20,
    "encoder_layers": 2,
    "encoder_hidden": 128,
    "decoder_hidden": 256,
}
# What the names of the registry stand for: the paper's smallest and largest, Mask2Former's small Swin, and
# small ones of ours; the last backbone is made for phones.
MINVIS_SIZES: dict[str, dict[str, Any]] = {
    "r50": {"backbone": "resnet50"},
    "swin-tiny": {"backbone": "swin-tiny"},
    "swin-large": {"backbone": "swin-large", "num_queries": 200},
    "tiny": {"backbone": "resnet-tiny", **_SMALL},
    "topformer-tiny": {"backbone": "topformer-tiny", **_SMALL},
}


@dataclass(frozen=True)
class MinVISConfig:
    """The architecture; the defaults are the paper's with ResNet-50.

    Attributes:
        backbone: one of ``LEVEL_BACKBONES``: a ResNet, a Swin, or a mobile one such as ``topformer-tiny``.
        num_classes: C; YouTube-VIS has 40.
        num_queries: N.
        dim: D, channels of features, queries and kernels.
        heads: attention heads, everywhere.
        encoder_layers: deformable layers of the pixel decoder.
        points: samples of each head on each level there.
        encoder_hidden: width of the pixel decoder's feed-forward parts.
        decoder_layers: M.
        decoder_hidden: width of the decoder's feed-forward parts.
    """

    backbone: str = "resnet50"
    num_classes: int = 40
    num_queries: int = 100
    dim: int = 256
    heads: int = 8
    encoder_layers: int = 6
    points: int = 4
    encoder_hidden: int = 1024
    decoder_layers: int = 9
    decoder_hidden: int = 2048

    def __post_init__(self) -> None:
        check_known("backbone", self.backbone, LEVEL_BACKBONES)
        for field in fields(self):
            if field.type == "int":
                check_positive(field.name, getattr(self, field.name))
        if self.dim % self.heads or self.dim % GROUPS:
            raise ValueError(f"dim {self.dim} is no multiple of {GROUPS} and of the {self.heads} heads")


class Features(NamedTuple):
    """What ``encode`` returns; memories and guides coarsest first, at strides 32, 16 and 8.

    Attributes:
        mask_features: (B, D, H/4, W/4).
        memories: three levels (B, D, H/s, W/s), which the decoder's layers read in turn.
        guides: the mask features resampled to each level, for the layers' attention masks.
    """

    mask_features: Tensor
    memories: Sequence[Tensor]
    guides: Sequence[Tensor]

    def flat(self) -> tuple[Tensor, ...]:
        """The seven tensors in order."""
        return (self.mask_features, *self.memories, *self.guides)


class Prediction(NamedTuple):
    """What the heads read of N queries: (B, N, C + 1) and (B, N, H/4, W/4)."""

    class_logits: Tensor
    mask_logits: Tensor


class Refinement(NamedTuple):
    """A frame's way through the decoder.

    Attributes:
        queries: (B, N, D) at the start and after each step, the last ones final.
        kept: (B, L) of the L layers that a router may skip (none here, see ``tar``): 1 where it ran, 0 where
            not, with a gradient.
        refined: (B, N, D) after each of the L layers, whether it was kept or not.
        margins: (B, L), the routers' scores of keeping less those of skipping, without any noise; None where
            every layer runs.
    """

    queries: list[Tensor]
    kept: Tensor
    refined: Sequence[Tensor] = ()
    margins: Optional[Tensor] = None


class MinVIS(StreamingModel):
    """MinVIS with any size; see ``MinVISConfig``."""

    driver = "minvis"
    usual_instances = 10  # MinVIS reports its ten best
    rounding = "deep"

    def __init__(self, config: MinVISConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.num_queries = config.num_queries
        self.dim = dim = config.dim
        self.normalise = ImageNetNormalise()
        self.backbone = create_level_backbone(config.backbone)
        self.size_multiple = self.backbone.size_multiple
        self.pixel_decoder = PixelDecoder(
            self.backbone.level_channels[:PYRAMID],
            dim,
            config.heads,
            config.encoder_layers,
            config.points,
            config.encoder_hidden,
        )
        self.decoder = MaskedDecoder(
            dim,
            config.heads,
            config.num_queries,
            config.num_classes,
            config.decoder_layers,
            config.decoder_hidden,
        )

    def features(self, frames: Tensor) -> Features:
        """Frames (B, 3, H, W), RGB in [0, 255], sides multiples of ``size_multiple``."""
        pyramid = self.backbone.levels(self.normalise(frames))[:PYRAMID]
        mask_features, levels = self.pixel_decoder(pyramid)
        return Features(mask_features, self.decoder.memories(levels), mask_guides(mask_features, levels))

    def run_layer(self, index: int, queries: Tensor, features: Features) -> Tensor:
        """Queries (B, N, D) after the decoder's layer ``index``."""
        level = index % LEVELS
        return self.decoder.run_layer(index, queries, features.memories[level], features.guides[level])

    def predict(self, queries: Tensor, mask_features: Tensor) -> Prediction:
        """Read all queries (B, N, D) after any layer."""
        masks = self.segment(self.decoder.kernels(queries), mask_features)
        return Prediction(self.decoder.class_logits(queries), masks)

    def predictions(self, features: Features, refinement: Refinement) -> list[Prediction]:
        """Read the learned queries and those after each step."""
        return [self.predict(queries, features.mask_features) for queries in refinement.queries]

    def forward(self, frames: Tensor) -> list[Prediction]:
        """Frames (B, 3, H, W) → predictions from the learned queries and after each layer."""
        features = self.features(frames)
        return self.predictions(features, self.refine(features))

    def refine(self, features: Features, previous: Optional[Tensor] = None) -> Refinement:
        """Take the learned queries through the decoder.

        Args:
            features: of B frames.
            previous: (B, N, D), final queries of the frames before, for models that look at them.
        """
        queries = [self.decoder.initial_queries(len(features.mask_features))]
        for index in range(self.config.decoder_layers):
            queries.append(self.run_layer(index, queries[-1], features))
        return Refinement(queries, queries[-1].new_zeros(len(queries[-1]), 0))

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Frame → mask features, three memories, three guides; see ``Features``."""
        return self.features(frame).flat()

    def decode(self, *levels: Tensor) -> tuple[Tensor, ...]:
        """Three memories and three guides → what ``read`` gives of the last layer's queries."""
        queries = self.decoder.initial_queries(len(levels[0]))
        for index in range(self.config.decoder_layers):
            level = index % LEVELS
            queries = self.decoder.run_layer(index, queries, levels[level], levels[level + LEVELS])
        return self.read(queries)

    def read(self, queries: Tensor) -> tuple[Tensor, ...]:
        """Queries (B, N, D) → embeddings (B, N, D), kernels (B, N, D) and scores (B, N, C), a softmax."""
        scores = object_scores(self.decoder.class_logits(queries))
        return self.decoder.embeddings(queries), self.decoder.kernels(queries), scores

    def segment(self, kernels: Tensor, mask_features: Tensor) -> Tensor:
        """Kernels (B, S, D), any S, and mask features (B, D, H/4, W/4) → mask logits (B, S, H/4, W/4)."""
        masks = torch.bmm(kernels, mask_features.flatten(2))
        return masks.view(*kernels.shape[:2], *mask_features.shape[-2:])

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        """What ``encode`` returns at one input size, in order."""
        height, width = input_size
        levels = {s: (1, self.dim, height // s, width // s) for s in STRIDES}
        return {
            "mask_features": (1, self.dim, height // 4, width // 4),
            **{f"memory_{stride}": shape for stride, shape in levels.items()},
            **{f"guide_{stride}": shape for stride, shape in levels.items()},
        }

    def build_streaming(self, input_size: tuple[int, int], max_instances: int) -> Streaming:
        """``encode``, ``decode`` and ``segment``, with masks for ``max_instances`` queries."""
        entries = {
            "encode": Entry("encode", {"frame": (1, 3, *input_size)}, self.feature_shapes(input_size)),
            **self.decoder_entries(input_size),
            **self.tracker_entries(),
            "segment": self.segment_entry(input_size, max_instances),
        }
        return Streaming(entries, {"max_instances": max_instances, "mask_stride": 4})

    def decoder_entries(self, input_size: tuple[int, int]) -> dict[str, Entry]:
        """From the features of a frame to what ``read`` gives."""
        features = self.feature_shapes(input_size)
        levels = {name: shape for name, shape in features.items() if name != "mask_features"}
        return {"decode": Entry("decode", levels, self.read_shapes())}

    def tracker_entries(self) -> dict[str, Entry]:
        """What runs between the decoder and ``segment``; nothing in MinVIS."""
        return {}

    def segment_entry(self, input_size: tuple[int, int], max_instances: int) -> Entry:
        """Masks of the client's choice of kernels."""
        mask_features = self.feature_shapes(input_size)["mask_features"]
        inputs = {"kernels": (1, max_instances, self.dim), "mask_features": mask_features}
        return Entry("segment", inputs, {"mask_logits": (1, max_instances, *mask_features[2:])})

    def read_shapes(self) -> dict[str, Shape]:
        """What ``read`` returns, in order."""
        queries = (1, self.num_queries, self.dim)
        return {
            "embeddings": queries,
            "kernels": queries,
            "scores": (1, self.num_queries, self.num_classes),
        }
