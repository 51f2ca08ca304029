"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021, Eq. 3) by gathers and products.

``grid_sample`` is an operator that TFLite and XNNPACK lack and that converters turn into something slow. Here
a sample is a row of a table, which every engine can gather: four neighbouring cells, which a matrix product
weighs. Places are computed in float32 whatever the precision of the features: bfloat16 cannot count cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np
import torch
from numpy.typing import NDArray
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
    own = np.arange(values.shape[0])[:, None].repeat(len(sizes), axis=1)
    return sample_tables(corner_tables(values, sizes), sizes, own, locations, weights)


def corner_tables(values: Tensor, sizes: Sizes) -> list[Tensor]:
    """For each map, a table of what a sample can lie between: four neighbouring cells in a row.

    A border of zeros makes every corner of every sample a cell, so that none has to be masked.

    Args:
        values: (B, ΣHW, heads, C).
        sizes: (height, width) of each map.

    Returns:
        (B·(H + 1)·(W + 1)·heads, 4·C) for each map: upper left, upper right, lower left and lower right cell.
    """
    batch, _, heads, channels = values.shape
    tables = []
    for (height, width), cells in zip(sizes, values.split([h * w for h, w in sizes], dim=1)):
        framed = F.pad(cells.reshape(batch, height, width, heads * channels), (0, 0, 1, 1, 1, 1))
        framed = framed.view(batch, height + 2, width + 2, heads, channels)
        upper, lower = framed[:, :-1], framed[:, 1:]
        corners = [upper[:, :, :-1], upper[:, :, 1:], lower[:, :, :-1], lower[:, :, 1:]]
        tables.append(torch.cat(corners, dim=4).view(-1, 4 * channels))
    return tables


def sample_tables(
    tables: Sequence[Tensor],
    sizes: Sizes,
    images: NDArray[np.int64],
    locations: Tensor,
    weights: Tensor,
) -> Tensor:
    """``sample_values`` from ready tables, and from the maps of any image of the batch.

    Args:
        tables: L tables, see ``corner_tables``.
        sizes: (height, width) of the maps of one image, L of them.
        images: (B, M), constants: the image whose map a query of image b samples at m; maps m, m + L,
            m + 2L, … are those of one level. M is a multiple of L.
        locations: (B, Q, heads, M, P, 2).
        weights: (B, Q, heads, M, P).

    Returns:
        (B, Q, heads·C)
    """
    batch, queries, heads, maps, points, _ = locations.shape
    channels = tables[0].shape[1] // 4
    height, width = np.array(list(sizes) * (maps // len(sizes)))[:, :, None].transpose(1, 0, 2)
    flat = (batch * queries, heads, maps, points)
    left, right, column = _corners(locations[..., 0].float().reshape(flat), width)
    upper, lower, row = _corners(locations[..., 1].float().reshape(flat), height)
    weights = weights.reshape(flat)
    upper, lower = upper * weights, lower * weights
    shares = torch.stack([upper * left, upper * right, lower * left, lower * right], dim=4)
    cells = (row * _constant(width + 1, row) + column) * heads
    first = images[:, None, :, None] * ((height + 1) * (width + 1) * heads) + np.arange(heads)[:, None, None]
    first = first.repeat(points, axis=3).reshape(batch, 1, heads, maps * points)
    starts = torch.from_numpy(first.astype(np.int32)).to(cells.device)
    rows = (cells.int().view(batch, queries, heads, maps * points) + starts).view(flat)
    total = None
    for m in range(maps):  # one map at a time: the samples of all would need gigabytes
        samples = tables[m % len(tables)].index_select(0, rows[:, :, m].reshape(-1))
        samples = samples.view(batch * queries * heads, points * 4, channels)
        share = shares[:, :, m].reshape(batch * queries * heads, 1, points * 4)
        part = torch.bmm(share.to(samples.dtype), samples)
        total = part if total is None else total + part
    assert total is not None
    return total.view(batch, queries, heads * channels)


def _corners(locations: Tensor, length: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis: the weights of the lower and the upper neighbour, and the place of the lower one,
    0…length, where 0 is the border."""
    end = _constant(length, locations)
    positions = torch.minimum((locations * end - 0.5).clamp(min=-1.0), end)
    lower = torch.minimum(positions.floor(), _constant(length - 1, locations))
    share = positions - lower
    return 1.0 - share, share, lower + 1.0


def _constant(values: NDArray[Any], like: Tensor) -> Tensor:
    """Numbers that an exported graph holds as data, float32 on the device of ``like``."""
    return torch.from_numpy(values.astype(np.float32)).to(like.device)


def cell_centres(sizes: Sizes, like: Tensor) -> Tensor:
    """Centres of the maps' cells, x and y in [0, 1], (1, ΣHW, 2) float32: an encoder's reference points."""
    centres = []
    for height, width in sizes:
        x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        centres.append(np.stack([x, y], axis=-1).reshape(1, height * width, 2))
    return _constant(np.concatenate(centres, axis=1), like)


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
        cell = 1.0 / np.array(list(sizes))[None, None, None, :, None, ::-1]
        return centres + offsets * _constant(cell, query), weights


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

    def forward(
        self,
        query: Tensor,
        reference: Tensor,
        features: Tensor,
        sizes: Sizes,
        inside: Optional[Callable[[Tensor], Tensor]] = None,
    ) -> Tensor:
        """Queries (B, Q, D) over features (B, ΣHW, D) → (B, Q, D).

        ``reference`` is ``SamplingHead``'s; ``inside`` is applied to the sampled values (B, Q, D) before the
        output's projection.
        """
        locations, weights = self.sampling(query, reference, sizes)
        sampled = sample_values(self.project(features), sizes, locations, weights)
        return self.out(sampled if inside is None else inside(sampled))
