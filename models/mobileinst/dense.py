"""Dense kernels on a detector: each cell of a pre-trained detector says what, where, and which mask. Ours.

MobileInst's streaming (encode, decode on keyframes, segment as one product) with the instances of a
one-stage detector in place of learned queries, which need far more pictures: on 343 pictures and the same
features, learned queries reached mask AP 2.7, dense kernels 19.7. Masks from dense kernels are the idea of
CondInst and SOLO.

A detector's box tower is cheap, 4 % of a frame where the rest of its head takes 20: ``encode`` says every
frame's boxes, so that a reused kernel's place is its object's box of the frame. ``decode`` takes them from
there.

The mask features end in five coordinate channels (x², y², x, y, 1), so that a linear kernel can say "here":

    logit = k·F − s·(((x − cx) / (w/2))² + ((y − cy) / (h/2))²) + b

Coordinates are fractions of the input's width and height, from its centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.yolox import (
    HEAD_CHANNELS,
    STRIDES,
    CellFeatures,
    Separable,
    YoloxFeatures,
    YoloxHead,
    YoloxNano,
)
from mobilevis.models.blocks.resampling import resize
from mobilevis.models.checks import check_known, check_positive
from mobilevis.models.entries import Shape
from mobilevis.models.mobileinst.dense_propagation import DensePropagation
from mobilevis.models.mobileinst.kernel_model import MASK_STRIDE, KernelModel
from mobilevis.models.mobileinst.mask_branch import MaskBranch
from mobilevis.models.mobileinst.places import (
    PLACE_CHANNELS,
    pixel_size,
    place_channels,
    place_kernel,
    read_boxes,
)
from mobilevis.models.mobileinst.propagation import PropagationConfig

DENSE_BACKBONES = ("yolox-nano",)
INSTANCE_DECODERS = ("dense",)
STEMS = ("stem3", "stem4", "stem5")  # of the head, at strides 8, 16 and 32
TOWERS = ("tower3", "tower4", "tower5")  # what it knows of where
# A box is at least 4 pixels wide for its kernel: a narrower parabola is noise at masks of stride 4.
LEAST_HALF_SIDE = 2.0
PLACE_WIDTH = 32  # of the layer that reads a box for its embedding


@dataclass(frozen=True)
class DenseMobileInstConfig:
    """The architecture.

    Attributes:
        backbone: one of ``DENSE_BACKBONES``.
        num_classes: C.
        instance_decoder: ``dense``.
        dim: D, learned channels of kernels and mask features.
        mask_width: channels of the mask branch at strides 8 to 32.
        mask_stride: of the mask features, 4, or 8, whose masks are enlarged to 4.
        mask_depth: separable 5×5 blocks there; each sees 32 pixels further, for 1 % of the network's work.
        embedding_dim: E, numbers that tell objects apart.
        cell_width: channels of the towers that read a kernel and an embedding from a cell.
        propagation: a light encoder for the frames between keyframes; None for none.
    """

    backbone: str = "yolox-nano"
    num_classes: int = 80
    instance_decoder: str = "dense"
    dim: int = 32
    mask_width: int = 64
    mask_stride: int = MASK_STRIDE
    mask_depth: int = 3
    embedding_dim: int = 32
    cell_width: int = 64
    propagation: Optional[PropagationConfig] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "propagation", PropagationConfig.read(self.propagation))
        check_known("backbone", self.backbone, DENSE_BACKBONES)
        check_known("instance_decoder", self.instance_decoder, INSTANCE_DECODERS)
        if self.mask_stride not in (MASK_STRIDE, STRIDES[0]):
            raise ValueError(f"mask_stride {self.mask_stride!r} is neither {MASK_STRIDE} nor {STRIDES[0]}")
        for key in ("num_classes", "dim", "mask_width", "mask_depth", "embedding_dim", "cell_width"):
            check_positive(key, getattr(self, key))


class Cells(NamedTuple):
    """What is read from all A cells, strides 8, 16 and 32 in turn, each level row by row.

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


class CellReader(nn.Module):
    """From all that the detector's head knows of a level's cells to their kernels and embeddings.

    Args:
        width: channels of the tower.
        dim: D; a kernel is D numbers, the log of its place's sharpness and a bias.
        embedding_dim: E.
    """

    def __init__(self, width: int, dim: int, embedding_dim: int) -> None:
        super().__init__()
        # The sum of three is one convolution of them all, without the copy that joins them.
        self.joined = nn.ModuleList(nn.Conv2d(HEAD_CHANNELS, width, 1, bias=i == 0) for i in range(3))
        self.tower = Separable(width, width)
        self.kernel = nn.Conv2d(width, dim + 2, 1)
        self.embedding = nn.Conv2d(width, embedding_dim, 1)

    def forward(self, stem: Tensor, class_tower: Tensor, box_tower: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 64, h, w) each → (B, D + 2, h, w) and (B, E, h, w)."""
        stem, classes, box = (conv(x) for conv, x in zip(self.joined, (stem, class_tower, box_tower)))
        read = self.tower(F.silu(stem + classes + box))
        return self.kernel(read), self.embedding(read)


class DenseMobileInst(KernelModel):
    """MobileInst with dense kernels; see ``DenseMobileInstConfig``."""

    driver = "mobileinst-dense"
    size_multiple = STRIDES[-1]
    num_queries = 100  # as many objects as COCO counts in a picture; cells are many more
    usual_instances = 20
    kernels_hold_places = True
    # 81 convolutions in a row, the first on numbers up to 255.
    rounding = "detector"

    def __init__(self, config: DenseMobileInstConfig) -> None:
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.dim = config.dim
        self.backbone = YoloxNano()
        self.head = YoloxHead(config.num_classes)
        self.mask_branch = MaskBranch(
            config.mask_width, config.mask_depth, config.dim, finer=config.mask_stride == MASK_STRIDE
        )
        # One tower a level for all that is read of a cell: one more for embeddings makes a frame 5 % longer.
        self.cell_heads = nn.ModuleList(
            CellReader(config.cell_width, config.dim, config.embedding_dim) for _ in STRIDES
        )
        self.place_embedding = nn.Sequential(
            nn.Linear(4, PLACE_WIDTH), nn.SiLU(), nn.Linear(PLACE_WIDTH, config.embedding_dim, bias=False)
        )
        if config.propagation is not None:
            self.propagation = DensePropagation(
                config.propagation, config.dim + PLACE_CHANNELS, config.mask_width, config.mask_stride
            )

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """A frame's masks' features, and where its things are.

        Args:
            frame: (B, 3, H, W), RGB in [0, 255].

        Returns:
            Mask features (B, D + 5, h, w) of ``mask_stride``; the boxes of all cells (B, A, 4), see
            ``Cells``; their objectness (B, A, 1) in [0, 1]; the head's stems of the levels, then its box
            towers, (B, 64, h, w) each.
        """
        features = self.backbone(frame)
        stems, towers = zip(*(head.locate(x) for head, x in zip(self.head.levels(), features[1:])))
        return self.mask_features(features), *self.place(towers), *stems, *towers

    def mask_features(self, features: YoloxFeatures) -> Tensor:
        """The backbone's features → (B, D + 5, h, w), the last five the coordinate channels."""
        return _with_places(self.mask_branch(features))

    def propagate(self, frame: Tensor, keyframe_features: Tensor) -> Tensor:
        """See ``KernelModel``; the first stages and the mask branch's last layers are those of ``encode``."""
        assert isinstance(self.propagation, DensePropagation)
        detail, *levels = self.backbone.early_stages(frame)
        joined = self.propagation(*levels, keyframe_features)
        return _with_places(self.mask_branch.refine(joined, detail))

    def place(self, towers: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The levels' box towers → boxes (B, A, 4) and objectness (B, A, 1)."""
        places = [head.read_place(x) for head, x in zip(self.head.levels(), towers)]
        return _locate(places, [x[:, 4:] for x in places])

    def decode(self, boxes: Tensor, objectness: Tensor, *maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What ``encode`` says of a frame's cells, but for the mask features, → their kernels, scores and
        embeddings, see ``Cells``."""
        stems, towers = maps[: len(STEMS)], maps[len(STEMS) :]
        classes = [head.class_tower(stem) for head, stem in zip(self.head.levels(), stems)]
        logits = [head.class_logits(x) for head, x in zip(self.head.levels(), classes)]
        cells = self._read(boxes, objectness, logits, zip(stems, classes, towers))
        return cells.kernels, cells.scores, cells.embeddings

    def read(self, levels: Sequence[CellFeatures]) -> Cells:
        """What the detector's head computed → ``Cells``."""
        boxes, objectness = _locate([x.boxes for x in levels], [x.objectness for x in levels])
        logits = [level.class_logits for level in levels]
        return self._read(boxes, objectness, logits, [level[:3] for level in levels])

    def _read(
        self, boxes: Tensor, objectness: Tensor, logits: Sequence[Tensor], levels: Iterable[Sequence[Tensor]]
    ) -> Cells:
        """Boxes and objectness of all cells, and each level's class logits and its stem and towers."""
        maps = zip(*(read(*level) for read, level in zip(self.cell_heads, levels)))
        numbers, embeddings = (_join_levels(levels) for levels in maps)
        # Slices: torch.split leaves XNNPACK's delegate.
        low, high = boxes[..., :2], boxes[..., 2:]
        half = torch.maximum(0.5 * (high - low), LEAST_HALF_SIDE * pixel_size(0, logits[0]).view(1, 1, 2))
        sharpness, bias = numbers[..., -2:-1], numbers[..., -1:]
        centre = 0.5 * (low + high) - 0.5
        place = place_kernel(sharpness, bias, centre, half)
        # Two persons in like clothes differ in where they are, which changes little from frame to frame.
        embeddings = embeddings + self.place_embedding(torch.cat([centre, half], dim=2))
        scores = _join_levels([x.sigmoid() for x in logits]) * objectness
        return Cells(torch.cat([numbers[..., :-2], place], dim=2), scores, boxes, embeddings)

    def segment(self, kernels: Tensor, mask_features: Tensor) -> Tensor:
        """Kernels (B, S, D + 5), any S, and mask features (B, D + 5, h, w) → mask logits (B, S, H/4, W/4)."""
        height, width = mask_features.shape[-2:]
        logits = torch.bmm(kernels, mask_features.flatten(2)).view(-1, kernels.shape[1], height, width)
        scale = self.config.mask_stride // MASK_STRIDE
        return logits if scale == 1 else resize(logits, (scale * height, scale * width))

    def feature_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        height, width = input_size
        channels, cells = self.dim + PLACE_CHANNELS, cell_count(input_size)
        mask_stride = self.config.mask_stride
        return {
            "mask_features": (1, channels, height // mask_stride, width // mask_stride),
            "boxes": (1, cells, 4),
            "objectness": (1, cells, 1),
            **{
                name: (1, HEAD_CHANNELS, height // stride, width // stride)
                for names in (STEMS, TOWERS)
                for name, stride in zip(names, STRIDES)
            },
        }

    def decoded_features(self) -> tuple[str, ...]:
        return ("boxes", "objectness", *STEMS, *TOWERS)

    def decoded_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        cells = cell_count(input_size)
        return {
            "kernels": (1, cells, self.dim + PLACE_CHANNELS),
            "scores": (1, cells, self.num_classes),
            "embeddings": (1, cells, self.config.embedding_dim),
        }


def cell_count(input_size: tuple[int, int]) -> int:
    """A, the cells of all levels for an input of (height, width)."""
    return sum((input_size[0] // stride) * (input_size[1] // stride) for stride in STRIDES)


def _with_places(learned: Tensor) -> Tensor:
    """Learned mask features (B, D, h, w) → (B, D + 5, h, w) float32."""
    learned = learned.float()
    return torch.cat([learned, place_channels(learned)], dim=1)


def _join_levels(maps: Sequence[Tensor]) -> Tensor:
    """What is said of each level's cells, (B, C, h, w) each → of all, (B, A, C) float32: inside ``autocast``,
    too, whose 8 bits are too few for a place."""
    return torch.cat([x.permute(0, 2, 3, 1).flatten(1, 2) for x in maps], dim=1).float()


def _locate(boxes: Sequence[Tensor], objectness: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What the levels' heads write of boxes (B, 4 or more, h, w) and objectness → both of all cells, see
    ``Cells``."""
    located = [read_boxes(index, raw.float()) for index, raw in enumerate(boxes)]
    return _join_levels(located), _join_levels([logits.sigmoid() for logits in objectness])
