"""What is read of a detector's chosen cells: kernels and embeddings, of their 3×3 patches alone. Ours.

Of 4,200 cells at 320×640 some twenty are shown. All that the detector's head knows is computed for every
cell; what is learned beyond it, a tower and its outputs, is read where it is needed: as maps these layers
were 9 % of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.yolox import HEAD_CHANNELS, STRIDES, ConvAct
from mobilevis.models.blocks.folding import fixed_conv

PATCH = 3  # cells a side


class CellReader(nn.Module):
    """From all that the detector's head knows around cells of one level to their kernels and embeddings.

    Args:
        width: channels of the tower.
        dim: D; a kernel is D numbers, the log of its place's sharpness and a bias.
        embedding_dim: E.
    """

    def __init__(self, width: int, dim: int, embedding_dim: int) -> None:
        super().__init__()
        # The sum of three is one convolution of them all, without the copy that joins them.
        self.joined = nn.ModuleList(nn.Conv2d(HEAD_CHANNELS, width, 1, bias=i == 0) for i in range(3))
        # Patches lie side by side: by steps of three, each output sees its own.
        self.tower = nn.Sequential(
            ConvAct(width, width, PATCH, stride=PATCH, groups=width, padding=0), ConvAct(width, width)
        )
        self.kernel = nn.Conv2d(width, dim + 2, 1)
        self.embedding = nn.Conv2d(width, embedding_dim, 1)

    def forward(self, patches: Sequence[Tensor], inside: Tensor) -> tuple[Tensor, Tensor]:
        """Stems, class towers and box towers of S cells, (1, 64, 3, 3·S) each, and which of their cells lie
        inside the level, (1, 1, 3, 3·S) → (1, D + 2, 1, S) and (1, E, 1, S)."""
        stem, classes, box = (conv(x) for conv, x in zip(self.joined, patches))
        read = self.tower(F.silu(stem + classes + box) * inside)
        return self.kernel(read), self.embedding(read)


class CellReaders(nn.ModuleList):
    """The readers of all levels, the finest first; arguments as ``CellReader``'s."""

    def __init__(self, width: int, dim: int, embedding_dim: int) -> None:
        super().__init__(CellReader(width, dim, embedding_dim) for _ in STRIDES)
        self.folded: Optional[FoldedReaders] = None

    def fold(self) -> None:
        """See ``Foldable``."""
        if self.folded is None:
            self.folded = FoldedReaders([reader for reader in self if isinstance(reader, CellReader)])

    def forward(self, patches: Sequence[Tensor], inside: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """See ``CellReader``; each cell is read as its level's, (1, 3, 1, S) ``levels`` as in ``Patches``."""
        if self.folded is not None:
            return self.folded(patches, inside, levels)
        numbers, embeddings = zip(*(reader(patches, inside) for reader in self))
        own = [levels[:, index : index + 1] for index in range(len(self))]
        return _sum_of(numbers, own), _sum_of(embeddings, own)


class FoldedReaders(nn.Module):
    """``CellReaders`` side by side, for inference: as many calls as one of them has."""

    def __init__(self, readers: Sequence[CellReader]) -> None:
        super().__init__()
        self.joined = nn.ModuleList(_stack(convs) for convs in zip(*(reader.joined for reader in readers)))
        depthwise, pointwise = (
            [layer.conv for layer in layers] for layers in zip(*(r.tower for r in readers))
        )
        self.depthwise = _stack(depthwise, groups=sum(conv.groups for conv in depthwise))
        self.pointwise = _stack(pointwise, groups=len(readers))
        # What a level adds whatever it reads is a factor of the level itself.
        outputs = [(reader.kernel, reader.embedding) for reader in readers]
        weights = [torch.cat([conv.weight for conv in convs]) for convs in outputs]
        biases = [bias[:, None, None, None] for convs in outputs if (bias := _join_biases(convs)) is not None]
        self.read = fixed_conv(torch.cat([*weights, *biases], dim=1))
        self.numbers = outputs[0][0].out_channels

    def forward(self, patches: Sequence[Tensor], inside: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """See ``CellReaders``."""
        stem, classes, box = (conv(x) for conv, x in zip(self.joined, patches))
        read = self.depthwise(F.silu(stem + classes + box) * inside)
        read = F.silu(self.pointwise(F.silu(read)))
        own = (read.view(1, levels.shape[1], -1, levels.shape[-1]) * levels).view(read.shape)
        read = self.read(torch.cat([own, levels], dim=1))
        return read[:, : self.numbers], read[:, self.numbers :]


def _stack(convs: Sequence[nn.Conv2d], groups: int = 1) -> nn.Conv2d:
    """One convolution of the outputs of all, which read the same channels or, with groups, each its own."""
    stride, padding = convs[0].stride[0], int(convs[0].padding[0])
    weight = torch.cat([conv.weight for conv in convs])
    return fixed_conv(weight, _join_biases(convs), stride, groups, padding)


def _sum_of(maps: Sequence[Tensor], factors: Sequence[Tensor]) -> Tensor:
    """The sum of maps, each times its factor."""
    first, *others = (x * factor for x, factor in zip(maps, factors))
    return sum(others, first)


def _join_biases(convs: Sequence[nn.Conv2d]) -> Optional[Tensor]:
    biases = [conv.bias for conv in convs if conv.bias is not None]
    return torch.cat(biases) if biases else None


class Patches(NamedTuple):
    """What is known around S cells.

    Attributes:
        levels: (1, 3, 1, S), 1 at a cell's level, 0 at the others.
        inside: (1, 1, 3, 3·S), 1 where a patch's cell lies inside the level, 0 beyond its border.
        stems, classes, boxes: (1, 64, 3, 3·S) each, of the head's stems and towers, the cell in the middle
            of its three columns; what is beyond a border is not read.
    """

    levels: Tensor
    inside: Tensor
    stems: Tensor
    classes: Tensor
    boxes: Tensor


def gather_patches(levels: Sequence[Sequence[Tensor]], frames: Tensor, cells: Tensor) -> Patches:
    """The patches of S cells of some frames.

    Args:
        levels: stem, class tower and box tower of each level, (B, 64, h, w).
        frames: (S,) int64, each cell's.
        cells: (S,) int64, indices among all of a frame's, in ``Cells``' order.
    """
    sizes = tuple((maps[0].shape[-2], maps[0].shape[-1]) for maps in levels)
    around, inside, level = (torch.from_numpy(table).to(cells.device)[cells] for table in _neighbours(sizes))
    found = []
    for maps in zip(*levels):
        known = torch.cat([x.flatten(2) for x in maps], dim=2)
        patches = known[frames[:, None, None], :, around]  # (S, 3, 3, 64)
        found.append(_side_by_side(patches))
    like = found[0]
    one_hot = F.one_hot(level, len(levels)).T[None, :, None].to(like)
    return Patches(one_hot, _side_by_side(inside[..., None]).to(like), *found)


def _side_by_side(patches: Tensor) -> Tensor:
    """(S, 3, 3, C) → (1, C, 3, 3·S)."""
    return patches.permute(3, 1, 0, 2).flatten(2)[None]


@lru_cache(maxsize=32)
def _neighbours(sizes: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For all A cells of levels of some (rows, columns): the indices of their patches (A, 3, 3), those beyond
    a border moved onto it; which of them lie inside (A, 3, 3); and each cell's level (A,)."""
    around, inside, level, first = [], [], [], 0
    steps = np.arange(PATCH) - PATCH // 2
    for index, (height, width) in enumerate(sizes):
        rows, columns = np.divmod(np.arange(height * width), width)
        y, x = rows[:, None, None] + steps[:, None], columns[:, None, None] + steps
        around.append(first + np.clip(y, 0, height - 1) * width + np.clip(x, 0, width - 1))
        inside.append((y >= 0) & (y < height) & (x >= 0) & (x < width))
        level.append(np.full(height * width, index))
        first += height * width
    return np.concatenate(around), np.concatenate(inside), np.concatenate(level)
