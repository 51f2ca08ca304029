"""Dense kernels on a detector: each cell of a pre-trained detector says what, where, and which mask. Ours.

MobileInst's streaming (encode, decode on keyframes, segment as one product) with the instances of a
one-stage detector in place of learned queries, which need far more pictures: on 343 pictures and the same
features, learned queries reached mask AP 2.7, dense kernels 19.7. Masks from dense kernels are the idea of
CondInst and SOLO.

A detector's box tower is cheap, 4 % of a frame where the rest of its head takes 20: ``encode`` says every
frame's boxes, so that a reused kernel's place is its object's box of the frame. ``decode`` says of every cell
what it shows; the client chooses a few, and ``describe`` reads kernels and embeddings of these alone.

The mask features end in five coordinate channels (x², y², x, y, 1), so that a linear kernel can say "here":

    logit = k·F − s·(((x − cx) / (w/2))² + ((y − cy) / (h/2))²) + b

Coordinates are fractions of the input's width and height, from its centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.yolox import (
    HEAD_CHANNELS,
    STRIDES,
    CellFeatures,
    YoloxFeatures,
    YoloxHead,
    YoloxNano,
)
from mobilevis.models.blocks.resampling import resize
from mobilevis.models.entries import Entry, Shape
from mobilevis.models.mobileinst.cell_reader import PATCH, CellReaders, gather_patches
from mobilevis.models.mobileinst.dense_config import DenseMobileInstConfig
from mobilevis.models.mobileinst.dense_propagation import DensePropagation
from mobilevis.models.mobileinst.kernel_model import MASK_STRIDE, KernelModel
from mobilevis.models.mobileinst.mask_branch import MaskBranch
from mobilevis.models.mobileinst.places import (
    PLACE_CHANNELS,
    place_channels,
    place_kernel,
    read_boxes,
)

STEMS = ("stem3", "stem4", "stem5")  # of the head, at strides 8, 16 and 32
TOWERS = ("tower3", "tower4", "tower5")  # what it knows of where
CLASS_TOWERS = ("class_tower3", "class_tower4", "class_tower5")  # and of what
PATCHES = ("stem_patches", "class_patches", "box_patches")
# A box is at least 4 pixels wide for its kernel: a narrower parabola is noise at masks of stride 4.
LEAST_HALF_SIDE = 2.0
PLACE_WIDTH = 32  # of the layer that reads a box for its embedding


class Cells(NamedTuple):
    """What the detector says of all A cells, strides 8, 16 and 32 in turn, each level row by row.

    Attributes:
        scores: (B, A, C) = σ(class)·σ(objectness).
        boxes: (B, A, 4), x0, y0, x1, y1 as fractions of the input; may leave it.
    """

    scores: Tensor
    boxes: Tensor


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
        self.cell_heads = CellReaders(config.cell_width, config.dim, config.embedding_dim)
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

    def decode(self, objectness: Tensor, *stems: Tensor) -> tuple[Tensor, ...]:
        """What ``encode`` says of cells → their scores, see ``Cells``, and the levels' class towers,
        (B, 64, h, w) each."""
        towers = [head.class_tower(stem) for head, stem in zip(self.head.levels(), stems)]
        logits = [head.class_logits(x) for head, x in zip(self.head.levels(), towers)]
        return _score(logits, objectness), *towers

    def read(self, levels: Sequence[CellFeatures]) -> Cells:
        """What the detector's head computed → ``Cells``."""
        boxes, objectness = _locate([x.boxes for x in levels], [x.objectness for x in levels])
        return Cells(_score([level.class_logits for level in levels], objectness), boxes)

    def describe(
        self, height: int, width: int, boxes: Tensor, levels: Tensor, inside: Tensor, *patches: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Kernels and embeddings of S chosen cells.

        Args:
            height: of the input, in pixels.
            width: likewise.
            boxes: (1, S, 4), see ``Cells``.
            levels: see ``Patches``, as the others.
            inside: which of the patches' cells there are.
            patches: stems, class towers and box towers.

        Returns:
            Kernels (1, S, D + 5), and embeddings (1, S, E), whose cosine says how alike two objects are.
        """
        numbers, embeddings = (_as_rows(x) for x in self.cell_heads(patches, inside, levels))
        # Slices: torch.split leaves XNNPACK's delegate.
        low, high = boxes[..., :2], boxes[..., 2:]
        least = torch.tensor([LEAST_HALF_SIDE / width, LEAST_HALF_SIDE / height]).to(boxes)
        half = torch.maximum(0.5 * (high - low), least.view(1, 1, 2))
        sharpness, bias = numbers[..., -2:-1], numbers[..., -1:]
        centre = 0.5 * (low + high) - 0.5
        place = place_kernel(sharpness, bias, centre, half)
        # Two persons in like clothes differ in where they are, which changes little from frame to frame.
        embeddings = embeddings + self.place_embedding(torch.cat([centre, half], dim=2))
        return torch.cat([numbers[..., :-2], place], dim=2), embeddings

    def describe_cells(
        self, levels: Sequence[Sequence[Tensor]], boxes: Tensor, frames: Tensor, cells: Tensor
    ) -> tuple[Tensor, Tensor]:
        """``describe`` S cells of several frames.

        Args:
            levels: stem, class tower and box tower of each level, (B, 64, h, w).
            boxes: (B, A, 4), see ``Cells``.
            frames: (S,) int64, any S.
            cells: (S,) int64, see ``gather_patches``.

        Returns:
            Kernels (S, D + 5) and embeddings (S, E).
        """
        height, width = (STRIDES[0] * side for side in levels[0][0].shape[-2:])
        # One more, as no convolution takes none.
        frames, cells = F.pad(frames, (0, 1)), F.pad(cells, (0, 1))
        patches = gather_patches(levels, frames, cells)
        kernels, embeddings = self.describe(height, width, boxes[frames, cells][None], *patches)
        return kernels[0, :-1], embeddings[0, :-1]

    def best_kernels(self, features: Mapping[str, Tensor], most: int) -> tuple[Tensor, Tensor]:
        scores, *class_towers = self.decode(*(features[name] for name in self.decoded_features()))
        sure, best = scores.amax(2).topk(min(most, scores.shape[1]), dim=1)
        frames = torch.arange(len(best), device=best.device).repeat_interleave(best.shape[1])
        stems, towers = ([features[name] for name in names] for names in (STEMS, TOWERS))
        levels = list(zip(stems, class_towers, towers))
        kernels, _ = self.describe_cells(levels, features["boxes"], frames, best.flatten())
        return kernels.unflatten(0, best.shape), sure

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
        return ("objectness", *STEMS)

    def decoded_shapes(self, input_size: tuple[int, int]) -> dict[str, Shape]:
        stems = self.feature_shapes(input_size)
        return {
            "scores": (1, cell_count(input_size), self.num_classes),
            **{tower: stems[stem] for tower, stem in zip(CLASS_TOWERS, STEMS)},
        }

    def further_entries(self, input_size: tuple[int, int], max_instances: int) -> dict[str, Entry]:
        across = PATCH * max_instances
        given = {
            "chosen_boxes": (1, max_instances, 4),
            "levels": (1, len(STRIDES), 1, max_instances),
            "inside": (1, 1, PATCH, across),
            **dict.fromkeys(PATCHES, (1, HEAD_CHANNELS, PATCH, across)),
        }
        described = {
            "kernels": (1, max_instances, self.dim + PLACE_CHANNELS),
            "embeddings": (1, max_instances, self.config.embedding_dim),
        }
        return {"describe": Entry("describe", given, described, input_size)}


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


def _score(logits: Sequence[Tensor], objectness: Tensor) -> Tensor:
    """The levels' class logits (B, C, h, w), and objectness (B, A, 1) → scores (B, A, C)."""
    return _join_levels([x.sigmoid() for x in logits]) * objectness


def _as_rows(columns: Tensor) -> Tensor:
    """(1, C, 1, S) → (1, S, C) float32: inside ``autocast``, too, whose 8 bits are too few for a place."""
    return columns.flatten(2).transpose(1, 2).float()


def _locate(boxes: Sequence[Tensor], objectness: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What the levels' heads write of boxes (B, 4 or more, h, w) and objectness → both of all cells, see
    ``Cells``."""
    located = [read_boxes(index, raw.float()) for index, raw in enumerate(boxes)]
    return _join_levels(located), _join_levels([logits.sigmoid() for logits in objectness])
