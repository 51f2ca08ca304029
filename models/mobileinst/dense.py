"""Dense kernels on a detector: each cell of a pre-trained detector says what, where, and which mask. Ours.

MobileInst's streaming (encode, decode on keyframes, segment as one product) with the instances of a
one-stage detector in place of learned queries, which need far more pictures: on 343 pictures and the same
features, learned queries reached mask AP 2.7, dense kernels 19.7. Masks from dense kernels are the idea of
CondInst and SOLO.

The mask features end in five coordinate channels (x², y², x, y, 1), so that a linear kernel can say "here":

    logit = k·F − s·(((x − cx) / (w/2))² + ((y − cy) / (h/2))²) + b

Coordinates are fractions of the input's width and height, from its centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mobilevis.models.backbones.yolox import (
    HEAD_CHANNELS,
    STRIDES,
    CellFeatures,
    ConvAct,
    Separable,
    YoloxFeatures,
    YoloxHead,
    YoloxNano,
)
from mobilevis.models.blocks.resampling import repeat_batch, resize
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.entries import Shape
from mobilevis.models.mobileinst.kernel_model import MASK_STRIDE, KernelModel

DENSE_BACKBONES = ("yolox-nano",)
INSTANCE_DECODERS = ("dense",)
PLACE_CHANNELS = 5
LEVELS = ("level3", "level4", "level5")  # the neck's outputs, at strides 8, 16 and 32
# A box is at least 4 pixels wide for its kernel: a narrower parabola is noise at masks of stride 4.
LEAST_HALF_SIDE = 2.0
# e^8 strides are more than any input; without a bound a random feature map overflows.
MAX_LOG_SIZE = 8.0
MAX_LOG_SHARPNESS = 3.0


@dataclass(frozen=True)
class DenseMobileInstConfig:
    """The architecture.

    Attributes:
        backbone: one of ``DENSE_BACKBONES``.
        num_classes: C.
        instance_decoder: ``dense``.
        dim: D, learned channels of kernels and mask features.
        mask_width: channels of the mask branch at strides 8 to 32.
        mask_depth: separable 5×5 blocks there; each sees 32 pixels further, for 1 % of the network's work.
        detail_width: its channels at stride 4, where each is dearest: 48 in place of 32 and two dense
            convolutions at stride 8 take 15 % more of the whole network's time.
        embedding_dim: E, numbers that tell objects apart.
        embedding_width: channels of the towers that make them.
    """

    backbone: str = "yolox-nano"
    num_classes: int = 80
    instance_decoder: str = "dense"
    dim: int = 32
    mask_width: int = 64
    mask_depth: int = 3
    detail_width: int = 32
    embedding_dim: int = 32
    embedding_width: int = 48

    def __post_init__(self) -> None:
        check_known("backbone", self.backbone, DENSE_BACKBONES)
        check_known("instance_decoder", self.instance_decoder, INSTANCE_DECODERS)
        for key in (
            "num_classes",
            "dim",
            "mask_width",
            "mask_depth",
            "detail_width",
            "embedding_dim",
            "embedding_width",
        ):
            check_positive(key, getattr(self, key))


class Cells(NamedTuple):
    """What ``decode`` reads from all A cells, strides 8, 16 and 32 in turn, each level row by row.

    Attributes:
        kernels: (B, A, D + 5).
        scores: (B, A, C) = σ(class)·σ(objectness).
        boxes: (B, A, 4), x0, y0, x1, y1 as fractions of the input; may leave it.
        embeddings: (B, A, E); their cosine says how alike two objects are.
    """

    kernels: Tensor
    scores: Tensor
    boxes: Tensor
    embeddings: Tensor


class MaskBranch(nn.Module):
    """The neck's levels joined at stride 8, then at stride 4 with the backbone's second stage."""

    def __init__(self, width: int, depth: int, detail_width: int, dim: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in YoloxNano.channels[1:])
        self.joined = nn.Sequential(ConvAct(width, width, 3), Separable(width, width, kernel_size=5))
        self.context = nn.ModuleList(Separable(width, width, kernel_size=5) for _ in range(depth - 1))
        for name, weights in self.context.named_parameters():
            if ".1." in name:  # a block's last convolution: it starts as nothing and is learned
                nn.init.zeros_(weights)
        self.reduce = nn.Conv2d(width, detail_width, 1)
        self.detail = nn.Conv2d(YoloxNano.channels[0], detail_width, 1)
        self.fuse = nn.Sequential(ConvAct(detail_width, detail_width, 3), nn.Conv2d(detail_width, dim, 1))

    def forward(self, features: YoloxFeatures) -> Tensor:
        """→ (B, D, H/4, W/4)."""
        size = features.n3.shape[-2:]
        levels = [lateral(x) for lateral, x in zip(self.laterals, features[1:])]
        x = self.joined(levels[0] + resize(levels[1], size) + resize(levels[2], size))
        for block in self.context:
            x = x + block(x)
        # Reduced before it is enlarged: the same numbers for a quarter of the work.
        fine = resize(self.reduce(x), features.c2.shape[-2:]) + self.detail(features.c2)
        return self.fuse(fine)


def cell_tower(width: int, out_channels: int) -> nn.Sequential:
    """From all that the detector's head knows of a cell to some numbers of our own."""
    return nn.Sequential(
        ConvAct(3 * HEAD_CHANNELS, width), Separable(width, width), nn.Conv2d(width, out_channels, 1)
    )


class DenseMobileInst(KernelModel):
    """MobileInst with dense kernels; see ``DenseMobileInstConfig``."""

    driver = "mobileinst-dense"
    size_multiple = STRIDES[-1]
    num_queries = 100  # as many objects as COCO counts in a picture; cells are many more
    usual_instances = 20
    # 77 convolutions in a row, the first on numbers up to 255: with the published weights, ONNX Runtime's
    # features at stride 16 differ from PyTorch's by 3e-4.
    deep = True

    def __init__(self, config: DenseMobileInstConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.dim = config.dim
        self.backbone = YoloxNano()
        self.head = YoloxHead(config.num_classes)
        self.mask_branch = MaskBranch(config.mask_width, config.mask_depth, config.detail_width, config.dim)
        self.kernel_heads = nn.ModuleList(cell_tower(64, config.dim + 2) for _ in STRIDES)
        self.embedding_heads = nn.ModuleList(
            cell_tower(config.embedding_width, config.embedding_dim) for _ in STRIDES
        )

    def encode(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Frames (B, 3, H, W), RGB in [0, 255] → mask features (B, D + 5, H/4, W/4) and the neck's levels at
        strides 8, 16 and 32."""
        features = self.backbone(frame)
        return (self.mask_features(features), *features[1:])

    def mask_features(self, features: YoloxFeatures) -> Tensor:
        """The backbone's features → (B, D + 5, H/4, W/4), the last five the coordinate channels."""
        learned = self.mask_branch(features)
        return torch.cat([learned, place_channels(learned)], dim=1)

    def decode(self, level3: Tensor, level4: Tensor, level5: Tensor) -> Cells:
        """The neck's levels → kernels, scores, boxes and embeddings of all cells; see ``Cells``."""
        return self.read(self.head((level3, level4, level5)))

    def read(self, levels: Sequence[CellFeatures]) -> Cells:
        """What the detector's head computed → ``Cells``."""
        parts = [self._read_level(index, level) for index, level in enumerate(levels)]
        return Cells(*(torch.cat([_rows(map) for map in maps], dim=1) for maps in zip(*parts)))

    def _read_level(self, index: int, level: CellFeatures) -> tuple[Tensor, ...]:
        stride = STRIDES[index]
        height, width = level.stem.shape[-2:]
        towers = torch.cat([level.stem, level.class_tower, level.box_tower], dim=1)
        read = self.kernel_heads[index](towers)
        # One stride as a fraction of the input is one cell of the level.
        pixel = _constant(np.array([1.0 / (width * stride), 1.0 / (height * stride)]), read)
        half = level.boxes[:, 2:].clamp(max=MAX_LOG_SIZE).exp() * (0.5 * stride * pixel)
        corner = repeat_batch(torch.from_numpy(_corners(height, width)).to(read), read.shape[0])
        centre = corner + level.boxes[:, :2] * (stride * pixel)
        place = _place_kernel(
            read[:, self.dim : self.dim + 1],
            read[:, self.dim + 1 :],
            centre - 0.5,
            torch.maximum(half, LEAST_HALF_SIDE * pixel),
        )
        kernels = torch.cat([read[:, : self.dim], place], dim=1)
        scores = level.class_logits.sigmoid() * level.objectness.sigmoid()
        boxes = torch.cat([centre - half, centre + half], dim=1)
        return kernels, scores, boxes, self.embedding_heads[index](towers)

    def segment(self, kernels: Tensor, mask_features: Tensor) -> Tensor:
        """Kernels (B, S, D + 5), any S, and mask features (B, D + 5, h, w) → mask logits (B, S, h, w)."""
        height, width = mask_features.shape[-2:]
        return torch.bmm(kernels, mask_features.flatten(2)).view(-1, kernels.shape[1], height, width)

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        height, width = input_size
        channels = self.dim + PLACE_CHANNELS
        levels = zip(LEVELS, YoloxNano.channels[1:], STRIDES)
        return {
            "mask_features": (1, channels, height // MASK_STRIDE, width // MASK_STRIDE),
            **{name: (1, wide, height // s, width // s) for name, wide, s in levels},
        }

    def decoded_features(self) -> tuple[str, ...]:
        return LEVELS

    def decoded_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        cells = cell_count(input_size)
        return {
            "kernels": (1, cells, self.dim + PLACE_CHANNELS),
            "scores": (1, cells, self.num_classes),
            "boxes": (1, cells, 4),
            "embeddings": (1, cells, self.config.embedding_dim),
        }


def cell_count(input_size: tuple[int, int]) -> int:
    """A, the cells of all levels for an input of (height, width)."""
    return sum((input_size[0] // stride) * (input_size[1] // stride) for stride in STRIDES)


def place_channels(like: Tensor) -> Tensor:
    """x², y², x, y and 1 as constant channels, (B, 5, H, W) for features (B, C, H, W)."""
    height, width = like.shape[-2:]
    return repeat_batch(torch.from_numpy(_place_table(height, width)).to(like), like.shape[0])


def _place_kernel(sharpness: Tensor, bias: Tensor, centre: Tensor, half: Tensor) -> Tensor:
    """The factors of (x², y², x, y, 1), (B, 5, h, w), of log s and b, (B, 1, h, w), and the box's centre and
    half sides, (B, 2, h, w)."""
    # One more than the logit at the box's edge would otherwise be: a mask starts as its box's ellipse.
    squares = sharpness.clamp(max=MAX_LOG_SHARPNESS).exp() / (half * half)
    linear = squares * centre
    constant = linear * centre
    return torch.cat([-squares, 2.0 * linear, bias + 1.0 - (constant[:, :1] + constant[:, 1:])], dim=1)


def _rows(x: Tensor) -> Tensor:
    """(B, C, h, w) → (B, h·w, C)."""
    return x.flatten(2).transpose(1, 2)


def _constant(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(values.astype(np.float32).reshape(1, -1, 1, 1)).to(like)


@lru_cache(maxsize=32)
def _corners(height: int, width: int) -> np.ndarray:
    """x and y of each cell's upper left corner, as fractions: YOLOX's boxes count from it."""
    columns, rows = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    return np.stack([columns, rows])[None].astype(np.float32)


@lru_cache(maxsize=32)
def _place_table(height: int, width: int) -> np.ndarray:
    columns = (np.arange(width) + 0.5) / width - 0.5
    rows = (np.arange(height) + 0.5) / height - 0.5
    x, y = np.meshgrid(columns, rows)
    return np.stack([x * x, y * y, x, y, np.ones_like(x)])[None].astype(np.float32)
