"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021, Eq. 3) by gathers and products.

``grid_sample`` is an operator that TFLite and XNNPACK lack and that converters turn into something slow. Here
a sample is four rows of a table, which every engine can gather, weighed by a matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Sizes = Sequence[tuple[int, int]]


def sample_values(values: Tensor, sizes: Sizes, locations: Tensor, weights: Tensor) -> Tensor:
    """Sample feature maps bilinearly and sum the samples of each query and head by weight.

    Equal to ``grid_sample`` with ``align_corners=False`` and zero padding.

    Args:
        values: (B, ΣHW, heads, C), the maps' cells row by row, one map after the other.
        sizes: (height, width) of each of the L maps.
        locations: (B, Q, heads, L, P, 2), x and y in units of the map: 0 is its left or upper edge, 1 the
            opposite one.
        weights: (B, Q, heads, L, P).

    Returns:
        (B, Q, heads·C)
    """
    batch, _, heads, channels = values.shape
    queries = locations.shape[1]
    maps = values.split([height * width for height, width in sizes], dim=1)
    total = None
    for level, (height, width) in enumerate(sizes):
        # A border of zeros makes every corner of every sample a cell, so that none has to be masked.
        cells = maps[level].reshape(batch, height, width, heads * channels)
        table = F.pad(cells, (0, 0, 1, 1, 1, 1)).reshape(-1, channels)
        left, right, column = _corners(locations[:, :, :, level, :, 0], width)
        upper, lower, row = _corners(locations[:, :, :, level, :, 1], height)
        scale = weights[:, :, :, level]
        shares = torch.cat([upper * left, upper * right, lower * left, lower * right], dim=3)
        shares = shares * torch.cat([scale] * 4, dim=3)
        first = (row * (width + 2) + column).long() * heads + _offsets(
            batch, heads, (height + 2) * (width + 2), locations.device
        )
        below = (width + 2) * heads
        rows = torch.cat([first, first + heads, first + below, first + below + heads], dim=3)
        samples = table.index_select(0, rows.reshape(-1)).view(batch * queries * heads, -1, channels)
        part = torch.bmm(shares.reshape(batch * queries * heads, 1, -1), samples)
        total = part if total is None else total + part
    assert total is not None
    return total.view(batch, queries, heads * channels)


def _corners(locations: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis: the weights of the lower and upper neighbour, and the lower one's cell in the bordered
    map, 0…length."""
    positions = (locations * length - 0.5).clamp(-1.0, float(length))
    lower = positions.floor().clamp(max=length - 1.0)
    share = positions - lower
    return 1.0 - share, share, lower + 1.0


def _offsets(batch: int, heads: int, cells: int, device: torch.device) -> Tensor:
    """First table row of each image and head, (B, 1, heads, 1)."""
    images = torch.arange(batch, device=device).view(batch, 1, 1, 1) * (cells * heads)
    return images + torch.arange(heads, device=device).view(1, 1, heads, 1)


def cell_centres(sizes: Sizes, like: Tensor) -> Tensor:
    """Centres of the maps' cells, x and y in [0, 1], (1, ΣHW, 2): the reference points of an encoder."""
    centres = []
    for height, width in sizes:
        y, x = torch.meshgrid(
            (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
        )
        centres.append(torch.stack([x, y], dim=-1).reshape(1, height * width, 2))
    return torch.cat(centres, dim=1).to(like)


def ring_directions(heads: int) -> Tensor:
    """Unit steps (in the maximum norm) around a circle, one direction a head, (heads, 2)."""
    angles = torch.arange(heads) * (2.0 * math.pi / heads)
    directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
    return directions / directions.abs().amax(dim=-1, keepdim=True)


class SamplingHead(nn.Module):
    """Where a query samples, and with which weights (Deformable DETR, Δp and A of Eq. 3).

    It starts like Deformable DETR's: head m samples along direction m, the k-th point k cells away, with
    equal weights.

    Args:
        dim: channels of a query.
        heads: attention heads.
        levels: maps that are sampled; the weights of a head sum to 1 over all of them.
        points: samples of each head on each map.
    """

    def __init__(self, dim: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.offsets = nn.Linear(dim, heads * levels * points * 2)
        self.weights = nn.Linear(dim, heads * levels * points)
        steps = torch.arange(1, points + 1).view(1, 1, points, 1)
        ring = ring_directions(heads).view(heads, 1, 1, 2) * steps
        nn.init.zeros_(self.offsets.weight)
        self.offsets.bias = nn.Parameter(ring.expand(heads, levels, points, 2).reshape(-1).clone())
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)

    def forward(self, query: Tensor, reference: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
        """Locations and weights as ``sample_values`` takes them.

        Args:
            query: (B, Q, D).
            reference: (B or 1, Q, 2), points, around which offsets count in cells of a map; or
                (B or 1, Q, 4), boxes (centre x, centre y, width, height), around whose centres offsets
                count in half-widths and half-heights divided by the number of points. In [0, 1].
            sizes: (height, width) of each map.
        """
        batch, queries, _ = query.shape
        shape = (batch, queries, self.heads, self.levels, self.points)
        weights = self.weights(query).view(batch, queries, self.heads, -1).softmax(dim=-1).view(shape)
        offsets = self.offsets(query).view(*shape, 2)
        centres = reference[:, :, None, None, None, :2]
        if reference.shape[-1] == 4:
            return centres + offsets * (reference[:, :, None, None, None, 2:] * (0.5 / self.points)), weights
        cell = torch.tensor([[1.0 / width, 1.0 / height] for height, width in sizes])
        return centres + offsets * cell.view(1, 1, 1, self.levels, 1, 2).to(query), weights


class DeformableAttention(nn.Module):
    """Multi-scale deformable attention of queries over feature maps.

    Args:
        dim: channels of queries, features and output.
        heads: attention heads.
        levels: feature maps.
        points: samples of each head on each map.
    """

    def __init__(self, dim: int, heads: int = 8, levels: int = 4, points: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.sampling = SamplingHead(dim, heads, levels, points)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        for layer in (self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def project(self, features: Tensor) -> Tensor:
        """Features (B, ΣHW, D) → values (B, ΣHW, heads, D/heads)."""
        batch, cells, dim = features.shape
        return self.value(features).view(batch, cells, self.heads, dim // self.heads)

    def forward(self, query: Tensor, reference: Tensor, features: Tensor, sizes: Sizes) -> Tensor:
        """Queries (B, Q, D) over features (B, ΣHW, D) → (B, Q, D); see ``SamplingHead`` for ``reference``."""
        locations, weights = self.sampling(query, reference, sizes)
        return self.out(sample_values(self.project(features), sizes, locations, weights))
