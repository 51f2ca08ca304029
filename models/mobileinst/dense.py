"""Dense kernels on a detector: each cell of a pre-trained detector says what, where, and which mask. Ours.

MobileInst's streaming (encode, decode on keyframes, segment as one product) with the instances of a
one-stage detector in place of learned queries, which need far more pictures: on 343 pictures and the same
features, learned queries reached mask AP 2.7, dense kernels 19.7. Masks from dense kernels are the idea of
CondInst and SOLO.

A detector's box tower is cheap, 4 % of a frame where the rest of its head took 20: ``encode`` says every
frame's boxes, so that a reused kernel's place is its object's box of the frame, and how likely each cell
shows anything. ``decode`` says what the likely cells show; the client chooses a few, and ``describe`` reads
kernels and embeddings of these alone.

The mask features end in five coordinate channels (x², y², x, y, 1), so that a linear kernel can say "here":

    logit = k·F − s·(((x − cx) / (w/2))² + ((y − cy) / (h/2))²) + b

Coordinates are fractions of the input's width and height, from its centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

import torch
from torch import Tensor, nn

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
from mobilevis.models.mobileinst.cell_reader import PATCH, CellReader, gather_patches, read_cells
from mobilevis.models.mobileinst.cells import Cells, cell_count, locate, score
from mobilevis.models.mobileinst.dense_config import DenseMobileInstConfig
from mobilevis.models.mobileinst.dense_propagation import DensePropagation
from mobilevis.models.mobileinst.kernel_model import MASK_STRIDE, KernelModel
from mobilevis.models.mobileinst.mask_branch import MaskBranch
from mobilevis.models.mobileinst.patch_readers import (
    DESCRIBED_CELLS,
    DESCRIBED_PATCH,
    SCORED_CELLS,
    SCORED_PATCH,
    PatchReaders,
)
from mobilevis.models.mobileinst.places import PLACE_CHANNELS, place_channels, place_kernel

STEMS = ("stem3", "stem4", "stem5")  # of the head, at strides 8, 16 and 32
TOWERS = ("tower3", "tower4", "tower5")  # what it knows of where
# A box is at least 4 pixels wide for its kernel: a narrower parabola is noise at masks of stride 4.
LEAST_HALF_SIDE = 2.0
PLACE_WIDTH = 32  # of the layer that reads a box for its embedding


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
        self.folded: Optional[PatchReaders] = None

    def fold(self) -> None:
        """See ``Foldable``."""
        self.folded = self._patch_readers()

    def _patch_readers(self) -> PatchReaders:
        """The folded ones, or with the weights as they are now."""
        readers = [reader for reader in self.cell_heads if isinstance(reader, CellReader)]
        return self.folded or PatchReaders(self.head.levels(), readers)

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """A frame's masks' features, and where its things are.

        Args:
            frame: (B, 3, H, W), RGB in [0, 255].

        Returns:
            Mask features (B, D + 5, h, w) of ``mask_stride``; the boxes of all cells (B, A, 4), see
            ``Cells``; their objectness (B, A, 1) in [0, 1]; the head's stems of the levels, then its box
            towers, (B, h, w, 64) each: what is known of a cell is read at once.
        """
        features = self.backbone(frame)
        stems, towers = zip(*(head.locate(x) for head, x in zip(self.head.levels(), features[1:])))
        known = [x.permute(0, 2, 3, 1) for x in (*stems, *towers)]
        return self.mask_features(features), *self.place(towers), *known

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
        return locate(places, [x[:, 4:] for x in places])

    def decode(self, objectness: Tensor, inside: Tensor, stems: Tensor) -> Tensor:
        """Scores of likely cells (1, n, C), see ``Cells``; their objectness is (1, n, 1), the others as
        ``PatchReaders.score`` has them."""
        return self._patch_readers().score(stems, inside) * objectness

    def read(self, levels: Sequence[CellFeatures]) -> Cells:
        """What the detector's head computed → ``Cells``."""
        boxes, objectness = locate([x.boxes for x in levels], [x.objectness for x in levels])
        return Cells(score([level.class_logits for level in levels], objectness), boxes)

    def describe(
        self, height: int, width: int, boxes: Tensor, inside: Tensor, stems: Tensor, towers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Kernels and embeddings of chosen cells.

        Args:
            height: of the input, in pixels.
            width: likewise.
            boxes: (1, n, 4), see ``Cells``.
            inside: see ``PatchReaders.describe``, as the others.
            stems: of the cells.
            towers: likewise.

        Returns:
            Kernels (1, n, D + 5), and embeddings (1, n, E), whose cosine says how alike two objects are.
        """
        numbers, embeddings = self._patch_readers().describe(stems, towers, inside)
        return self._place_kernels(numbers, embeddings, boxes, (height, width))

    def _place_kernels(
        self, numbers: Tensor, embeddings: Tensor, boxes: Tensor, input_size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """What was read of cells (B, n, D + 2) and (B, n, E), and their boxes (B, n, 4) → kernels
        (B, n, D + 5) and embeddings (B, n, E) that know where they are."""
        height, width = input_size
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
        """What ``describe`` says, for training: S cells of several frames.

        Args:
            levels: stem, class tower and box tower of each level, (B, 64, h, w).
            boxes: (B, A, 4), see ``Cells``.
            frames: (S,) int64, any S.
            cells: (S,) int64, see ``gather_patches``.

        Returns:
            Kernels (S, D + 5) and embeddings (S, E).
        """
        height, width = (STRIDES[0] * side for side in levels[0][0].shape[-2:])
        numbers, embeddings = read_cells(list(self.cell_heads), gather_patches(levels, frames, cells))
        own = boxes[frames, cells]
        placed = self._place_kernels(numbers[None], embeddings[None], own[None], (height, width))
        return placed[0][0], placed[1][0]

    def best_kernels(self, features: Mapping[str, Tensor], most: int) -> tuple[Tensor, Tensor]:
        stems, towers = ([features[name].permute(0, 3, 1, 2) for name in names] for names in (STEMS, TOWERS))
        heads = self.head.levels()
        class_towers = [head.class_tower(stem) for head, stem in zip(heads, stems)]
        logits = [head.class_logits(tower) for head, tower in zip(heads, class_towers)]
        scores = score(logits, features["objectness"])
        sure, best = scores.amax(2).topk(min(most, scores.shape[1]), dim=1)
        frames = torch.arange(len(best), device=best.device).repeat_interleave(best.shape[1])
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
                name: (1, height // stride, width // stride, HEAD_CHANNELS)
                for names in (STEMS, TOWERS)
                for name, stride in zip(names, STRIDES)
            },
        }

    def keyframe_entries(self, input_size: tuple[int, int]) -> dict[str, Entry]:
        levels = len(STRIDES)
        scored, described = SCORED_CELLS * levels, DESCRIBED_CELLS * levels
        likely = {
            "likely_objectness": (1, scored, 1),
            "likely_inside": (SCORED_CELLS, levels, SCORED_PATCH, SCORED_PATCH),
            "likely_stems": (SCORED_CELLS, SCORED_PATCH, SCORED_PATCH, levels * HEAD_CHANNELS),
        }
        chosen = {
            "chosen_boxes": (1, described, 4),
            "chosen_inside": (DESCRIBED_CELLS, levels, DESCRIBED_PATCH, DESCRIBED_PATCH),
            "chosen_stems": (DESCRIBED_CELLS, DESCRIBED_PATCH, DESCRIBED_PATCH, levels * HEAD_CHANNELS),
            "chosen_towers": (DESCRIBED_CELLS, PATCH, PATCH, levels * HEAD_CHANNELS),
        }
        read = {
            "kernels": (1, described, self.dim + PLACE_CHANNELS),
            "embeddings": (1, described, self.config.embedding_dim),
        }
        return {
            "decode": Entry("decode", likely, {"scores": (1, scored, self.num_classes)}),
            "describe": Entry("describe", chosen, read, input_size),
        }


def _with_places(learned: Tensor) -> Tensor:
    """Learned mask features (B, D, h, w) → (B, D + 5, h, w) float32."""
    learned = learned.float()
    return torch.cat([learned, place_channels(learned)], dim=1)
