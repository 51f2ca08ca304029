"""What is read of a detector's cells: kernels and embeddings, of their 3×3 patches alone. Ours.

Of 4,200 cells at 320×640 some twenty are shown. What is learned beyond the detector, a tower and its outputs,
is read where it is needed: as maps these layers were 9 % of a frame. Here they are as they are trained, level
by level; ``mobilevis.models.mobileinst.patch_readers`` has them as they are exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.yolox import HEAD_CHANNELS, ConvAct

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
        self.tower = nn.Sequential(
            ConvAct(width, width, PATCH, groups=width, padding=0), ConvAct(width, width)
        )
        self.kernel = nn.Conv2d(width, dim + 2, 1)
        self.embedding = nn.Conv2d(width, embedding_dim, 1)

    def forward(self, patches: Sequence[Tensor], inside: Tensor) -> tuple[Tensor, Tensor]:
        """Stems, class towers and box towers around S cells, (S, 64, 3, 3) each, and which of these lie
        inside the level, (S, 1, 3, 3) → (S, D + 2) and (S, E)."""
        stem, classes, box = (conv(x) for conv, x in zip(self.joined, patches))
        read = self.tower(F.silu(stem + classes + box) * inside)
        return self.kernel(read).flatten(1), self.embedding(read).flatten(1)


class Patches(NamedTuple):
    """What is known around S cells.

    Attributes:
        levels: (S,) int64, each cell's, the finest 0.
        inside: (S, 1, 3, 3), 1 where a patch's cell lies inside the level, 0 beyond its border.
        stems, classes, boxes: (S, 64, 3, 3) each, of the head's stems and towers; what is beyond a border is
            not read.
    """

    levels: Tensor
    inside: Tensor
    stems: Tensor
    classes: Tensor
    boxes: Tensor


def read_cells(readers: Sequence[nn.Module], patches: Patches) -> tuple[Tensor, Tensor]:
    """Each cell by its level's reader: (S, D + 2) and (S, E) float32, inside ``autocast``, too, whose 8 bits
    are too few for a place."""
    order = patches.levels.argsort(stable=True)
    counts = torch.bincount(patches.levels, minlength=len(readers)).tolist()
    of_levels = [
        reader([x[own] for x in patches[2:]], patches.inside[own])
        for reader, own in zip(readers, order.split(counts))
    ]
    numbers, embeddings = (torch.cat(read).float()[order.argsort()] for read in zip(*of_levels))
    return numbers, embeddings


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
        found.append(patches.permute(0, 3, 1, 2))
    return Patches(level, inside[:, None].to(found[0]), *found)


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
