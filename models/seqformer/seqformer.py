"""SeqFormer (Wu et al., ECCV 2022) and TAFormer (Zhang et al., WACV 2023): clips of T frames.

One model: TAFormer is SeqFormer with the additions of ``taformer.py`` switched on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from torch import Tensor, nn

from mobilevis.models.backbones import PYRAMIDS, create_pyramid
from mobilevis.models.blocks.deformable import DeformableAttention
from mobilevis.models.blocks.layers import GroupNorm, ImageNetNormalise, Mlp, start_at_prior
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.entries import Entry, Shape, Streaming, StreamingModel
from mobilevis.models.seqformer.clip_transformer import (
    LEVELS,
    ClipDecoder,
    ClipEncoder,
    DecodedLayer,
    DecoderLayer,
    EncoderLayer,
    map_sizes,
)
from mobilevis.models.seqformer.conditional_masks import CHANNELS, KERNEL_SIZE, MaskBranch, conditional_masks
from mobilevis.models.seqformer.taformer import FUSIONS, JointAttention, TemporalSelfAttention

STRIDES = (8, 16, 32, 64)
GROUPS = 32

TINY: Mapping[str, Any] = {
    "backbone": "resnet-tiny",
    "num_queries": 20,
    "dim": 64,
    "heads": 4,
    "hidden": 128,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "dropout": 0.0,
}
ADDITIONS: Mapping[str, Any] = {
    "joint_attention": True,
    "temporal_positions": True,
    "temporal_self_attention": True,
}
# Size → what it sets of the configuration: the papers' (Table 1 of each), and a small one of ours.
SEQFORMER_SIZES: Mapping[str, Mapping[str, Any]] = {
    "r50": {"backbone": "resnet50"},
    "r101": {"backbone": "resnet101"},
    "swin-large": {"backbone": "swin-large"},
    "tiny": TINY,
}
TAFORMER_SIZES = {size: {**config, **ADDITIONS} for size, config in SEQFORMER_SIZES.items()}


@dataclass(frozen=True)
class SeqFormerConfig:
    """The architecture; by default SeqFormer's with ResNet-50.

    Attributes:
        backbone: a key of ``PYRAMIDS``.
        num_classes: C.
        num_queries: N.
        clip_length: T, frames of an exported clip; no weight depends on it.
        dim: D.
        heads: attention heads.
        hidden: width of the feed-forward parts.
        encoder_layers: number of encoder layers.
        decoder_layers: number of decoder layers.
        points: samples of each head on each map.
        dropout: rate, in training.
        joint_attention: TAFormer's spatio-temporal attention in the encoder (ST-Enc of Table 3).
        window: d, its neighbouring frames in each direction.
        temporal_points: its samples on each map of each neighbour (Table 7).
        fusion: how it joins space and time (Table 4), a key of ``FUSIONS``.
        temporal_positions: TAFormer's positional encoding of frames (Eq. 6).
        temporal_self_attention: TAFormer's self-attention of box queries over the frames (TA-Dec of Table 3).
        centred_positions: count the encoder's cells at their centres, as the public code does, and not at
            their ends, as checkpoints without this option do.
    """

    backbone: str = "resnet50"
    num_classes: int = 40
    num_queries: int = 300
    clip_length: int = 5
    dim: int = 256
    heads: int = 8
    hidden: int = 1024
    encoder_layers: int = 6
    decoder_layers: int = 6
    points: int = 4
    dropout: float = 0.1
    joint_attention: bool = False
    window: int = 2
    temporal_points: int = 4
    fusion: str = "dynamic"
    temporal_positions: bool = False
    temporal_self_attention: bool = False
    centred_positions: bool = True

    def __post_init__(self) -> None:
        check_known("backbone", self.backbone, PYRAMIDS)
        check_known("fusion", self.fusion, FUSIONS)
        for key in ("num_classes", "num_queries", "clip_length", "dim", "heads", "hidden", "window"):
            check_positive(key, getattr(self, key))
        for key in ("encoder_layers", "decoder_layers", "points", "temporal_points"):
            check_positive(key, getattr(self, key))
        if self.dim % GROUPS or self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of {GROUPS} and of the {self.heads} heads")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout {self.dropout!r} is not in [0, 1)")


class LayerPrediction(NamedTuple):
    """What one decoder layer predicts for B clips of T frames.

    Attributes:
        class_logits: (B, N, C).
        kernels: (B, N, 169), see ``conditional_masks``.
        boxes: (T·B, N, 4), centre x, centre y, width and height as shares of the frame.
        points: (T·B, N, 2), what the masks are relative to.
        box_queries: (T·B, N, D).
    """

    class_logits: Tensor
    kernels: Tensor
    boxes: Tensor
    points: Tensor
    box_queries: Tensor


@dataclass(frozen=True)
class SeqFormerOutput:
    """What training reads.

    Attributes:
        layers: predictions of each decoder layer, the final one last.
        mask_features: (T·B, 8, H/8, W/8).
    """

    layers: tuple[LayerPrediction, ...]
    mask_features: Tensor


class SeqFormer(StreamingModel):
    """SeqFormer, and TAFormer by configuration; see ``SeqFormerConfig``."""

    driver = "seqformer"
    size_multiple = 64
    usual_instances = 10  # SeqFormer reports the ten best of a video
    rounding = "deep"

    def __init__(self, config: SeqFormerConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.num_queries = config.num_queries
        dim = config.dim
        self.normalise = ImageNetNormalise()
        self.backbone = create_pyramid(config.backbone, first=3)
        channels = self.backbone.level_channels
        convs = [nn.Conv2d(c, dim, 1) for c in channels]
        convs.append(nn.Conv2d(channels[-1], dim, 3, stride=2, padding=1))
        self.projections = nn.ModuleList(nn.Sequential(conv, GroupNorm(GROUPS, dim)) for conv in convs)
        self.encoder = ClipEncoder(
            [
                EncoderLayer(_encoder_attention(config), dim, config.hidden, config.dropout)
                for _ in range(config.encoder_layers)
            ],
            dim,
            config.temporal_positions,
            0.5 if config.centred_positions else 1.0,
        )
        self.mask_branch = MaskBranch(dim)
        layers = range(config.decoder_layers)
        self.decoder = ClipDecoder(
            [DecoderLayer(dim, config.heads, config.points, config.hidden, config.dropout) for _ in layers],
            dim,
            config.num_queries,
            TemporalSelfAttention(dim, config.heads) if config.temporal_self_attention else None,
            config.temporal_positions,
        )
        class_heads = [nn.Linear(dim, config.num_classes) for _ in layers]
        self.class_heads = nn.ModuleList(class_heads)
        # One controller a layer, as with the other heads: 6 of them and the public code's unread projections
        # in the encoder come to 49.28 M parameters, which is the published size; one comes to 48.40 M.
        self.controllers = nn.ModuleList(Mlp(dim, dim, dim, KERNEL_SIZE) for _ in layers)
        for head in class_heads:
            start_at_prior(head)
        for layer in (*convs, *self.controllers.modules()):
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def encode(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Frames (B, 3, H, W), RGB in [0, 255] → maps (B, D, H/s, W/s) at strides 8, 16, 32 and 64."""
        levels = self.backbone.levels(self.normalise(frames))
        return tuple(project(x) for project, x in zip(self.projections, (*levels, levels[-1])))

    def decode(self, *maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps (T, D, H/s, W/s) of one clip's T frames → its instances.

        Returns:
            Kernels (1, N, 169), scores (1, N, C) = σ(class), points (T, N, 2) and mask features
            (T, 8, H/8, W/8).
        """
        decoded, mask_features = self._transform(maps, length=maps[0].shape[0])
        final = self._read(-1, decoded[-1])
        return final.kernels, final.class_logits.sigmoid(), final.points, mask_features

    def segment(self, kernels: Tensor, points: Tensor, mask_features: Tensor) -> Tensor:
        """Kernels (B, K, 169) and points (B, K, 2) of any K instances in a frame each, and its mask features
        (B, 8, H/8, W/8) → mask logits (B, K, H/4, W/4)."""
        return conditional_masks(kernels, points, mask_features)

    def forward(self, frames: Tensor, length: Optional[int] = None) -> SeqFormerOutput:
        """Frames (T·B, 3, H, W) of B clips of T = ``length`` frames, frame-major; None takes one clip."""
        maps = self.encode(frames)
        decoded, mask_features = self._transform(maps, length or frames.shape[0])
        layers = tuple(self._read(index, layer) for index, layer in enumerate(decoded))
        return SeqFormerOutput(layers, mask_features)

    def _transform(self, maps: Sequence[Tensor], length: int) -> tuple[list[DecodedLayer], Tensor]:
        sizes = map_sizes(maps)
        memory = self.encoder(maps, length)
        fine = [
            cells.transpose(1, 2).reshape(cells.shape[0], -1, *size)
            for cells, size in zip(memory.split([h * w for h, w in sizes], dim=1)[:3], sizes)
        ]
        return list(self.decoder(memory, sizes, length)), self.mask_branch(fine)

    def _read(self, index: int, layer: DecodedLayer) -> LayerPrediction:
        return LayerPrediction(
            class_logits=self.class_heads[index](layer.instances),
            kernels=self.controllers[index](layer.instances),
            boxes=layer.boxes,
            points=layer.points,
            box_queries=layer.box_queries,
        )

    def build_streaming(
        self, input_size: tuple[int, int], max_instances: int, clip_length: Optional[int] = None
    ) -> Streaming:
        """``encode`` of a frame, ``decode`` of a clip and ``segment`` of a frame.

        Args:
            input_size: (height, width).
            max_instances: K, instances that get masks.
            clip_length: T; None takes the configuration's. For the paper's offline inference it is the length
                of the video.

        Raises:
            ValueError: T is not positive.
        """
        T = self.config.clip_length if clip_length is None else clip_length
        check_positive("clip_length", T)
        (height, width), K, N = input_size, max_instances, self.num_queries
        maps = {f"features{s}": (self.config.dim, height // s, width // s) for s in STRIDES}
        masks = (CHANNELS, height // 8, width // 8)
        decoded: dict[str, Shape] = {
            "kernels": (1, N, KERNEL_SIZE),
            "scores": (1, N, self.num_classes),
            "points": (T, N, 2),
            "mask_features": (T, *masks),
        }
        kept = {"kernels": (1, K, KERNEL_SIZE), "points": (1, K, 2), "mask_features": (1, *masks)}
        entries = {
            "encode": Entry(
                "encode", {"frame": (1, 3, height, width)}, {name: (1, *x) for name, x in maps.items()}
            ),
            "decode": Entry("decode", {name: (T, *x) for name, x in maps.items()}, decoded),
            "segment": Entry("segment", kept, {"mask_logits": (1, K, height // 4, width // 4)}),
        }
        return Streaming(entries, {"clip_length": T, "max_instances": K, "mask_stride": 4})


def _encoder_attention(config: SeqFormerConfig) -> DeformableAttention | JointAttention:
    if not config.joint_attention:
        return DeformableAttention(config.dim, config.heads, LEVELS, config.points)
    return JointAttention(
        config.dim, config.heads, LEVELS, config.points, config.window, config.temporal_points, config.fusion
    )
