"""What a dense model's exported entries read of some cells: scores, and kernels and embeddings. Ours.

Objectness says which of 4,200 cells may show anything: fewer than a hundred, mostly. The detector's class
tower sees two cells around each cell, what is learned beyond it one more: read of patches, both are the same
numbers as read of whole maps, where they took nearly a fifth of a frame. A graph has fixed shapes, and each
level its own weights: the levels lie side by side, as many cells of each, as the groups of one convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.backbones.yolox import LevelHead
from mobilevis.models.blocks.folding import fixed_conv
from mobilevis.models.mobileinst.cell_reader import PATCH, CellReader

CLASS_REACH = 2  # cells that a score sees on each side of its own
SCORED_PATCH = 2 * CLASS_REACH + 1
DESCRIBED_PATCH = PATCH + 2 * CLASS_REACH
# Cells of each level that an entry takes at a time; more take several runs. In eleven real clips 10 to 25 of
# a level may show anything, 40 to 60 in a crowd and on a street; one to four are shown, six to eight there.
SCORED_CELLS = 16
DESCRIBED_CELLS = 6


class PatchReaders(nn.Module):
    """The layers of all L levels side by side, for inference: copies of what was trained.

    Args:
        heads: the detector's, the finest level first.
        readers: of the same levels.
    """

    def __init__(self, heads: Sequence[LevelHead], readers: Sequence[CellReader]) -> None:
        super().__init__()
        self.levels = len(heads)
        towers = ([layer.conv for layer in chain(*head.class_tower)] for head in heads)
        self.class_tower = nn.ModuleList(_stack(convs) for convs in zip(*towers))
        self.class_logits = _stack([head.class_logits for head in heads])
        self.joined = nn.ModuleList(_stack(convs) for convs in zip(*(reader.joined for reader in readers)))
        self.tower = nn.ModuleList(
            _stack([layer.conv for layer in layers]) for layers in zip(*(reader.tower for reader in readers))
        )
        self.kernel = _stack([reader.kernel for reader in readers])
        self.embedding = _stack([reader.embedding for reader in readers])

    def score(self, stems: Tensor, inside: Tensor) -> Tensor:
        """Class probabilities.

        Args:
            stems: (S, 5, 5, L·64), around S cells of each level, 0 beyond its border.
            inside: (S, L, 5, 5), 1 where a patch's cell lies inside the level, 0 beyond.

        Returns:
            (1, S·L, C), the levels of the first cells first.
        """
        tower = self._read_classes(stems.permute(0, 3, 1, 2), inside)
        return self._as_rows(self.class_logits(tower)).sigmoid()

    def describe(self, stems: Tensor, towers: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """See ``CellReader``.

        Args:
            stems: (S, 7, 7, L·64), around S cells of each level, 0 beyond its border.
            towers: (S, 3, 3, L·64), likewise.
            inside: (S, L, 7, 7), as ``score`` has it.

        Returns:
            (1, S·L, D + 2) and (1, S·L, E).
        """
        stems = stems.permute(0, 3, 1, 2)
        near = _crop(stems, CLASS_REACH), self._read_classes(stems, inside), towers.permute(0, 3, 1, 2)
        stem, classes, box = (conv(x) for conv, x in zip(self.joined, near))
        read = self._mask(F.silu(stem + classes + box), _crop(inside, CLASS_REACH))
        for conv in self.tower:
            read = F.silu(conv(read))
        return self._as_rows(self.kernel(read)), self._as_rows(self.embedding(read))

    def _read_classes(self, stems: Tensor, inside: Tensor) -> Tensor:
        """(S, L·64, n, n) → (S, L·64, n − 4, n − 4)."""
        first, second, third, fourth = self.class_tower
        read = F.silu(second(F.silu(first(stems))))
        read = self._mask(read, _crop(inside, CLASS_REACH // 2))
        return F.silu(fourth(F.silu(third(read))))

    def _mask(self, x: Tensor, inside: Tensor) -> Tensor:
        """(S, L·C, n, n), 0 beyond the levels' borders."""
        cells, channels, side, _ = x.shape
        parted = x.reshape(cells, self.levels, channels // self.levels, side * side)
        masked = parted * inside.reshape(cells, self.levels, 1, side * side)
        return masked.reshape(x.shape)

    def _as_rows(self, x: Tensor) -> Tensor:
        """(S, L·C, 1, 1) → (1, S·L, C)."""
        return x.reshape(1, len(x) * self.levels, -1)


def _crop(x: Tensor, margin: int) -> Tensor:
    """Patches (S, C, n, n) without their outer cells."""
    side = x.shape[-1]
    return x[:, :, margin : side - margin, margin : side - margin]


def _stack(convs: Sequence[nn.Conv2d]) -> nn.Conv2d:
    """The levels' convolutions as one without padding, each of its own channels."""
    weight = torch.cat([conv.weight for conv in convs])
    biases = [conv.bias for conv in convs if conv.bias is not None]
    groups = sum(conv.groups for conv in convs)
    return fixed_conv(weight, torch.cat(biases) if biases else None, groups=groups, padding=0)
