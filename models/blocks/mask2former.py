"""Mask2Former (Cheng et al., CVPR 2022): deformable pixel decoder and masked-attention decoder.

Equal to the paper but for the step of the attention's mask (``MASK_BIAS``), and with two savings. A layer
masks its attention with its mask prediction, resampled to the level that it reads: resampling is linear, so
the prediction is made from resampled mask features, exactly, and at a small part of the cost. And a row that
is masked everywhere needs no special case: adding one number to all scores leaves the softmax as it is
without a mask, which is what Mask2Former resets such a row to. That is exact where all logits of the row are
-1 or less, beyond the ramp; between, the row is weighed by its logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.deformable import DeformableAttention, cell_centres
from mobilevis.models.blocks.layers import GroupNorm, LayerNorm, Mlp, MultiHeadAttention
from mobilevis.models.blocks.positions import clip_positions, sine_positions
from mobilevis.models.blocks.resampling import repeat_batch, resize

LEVELS = 3  # maps at strides 32, 16 and 8, which the decoder's layers read in turn
GROUPS = 32
# Scores of background are lowered by up to this. The paper's step at probability 0.5 is a ramp that ends at a
# logit of -1: a cell at -0.05 already weighs 0.7 % of a foreground cell. A step, or a ramp ten times steeper,
# lets rounding flip cells, and nine layers multiply that beyond what two float32 engines may differ by.
MASK_BIAS = 100.0


class PixelDecoderLayer(nn.Module):
    """Deformable self-attention over all levels, then a feed-forward part, each residual and normed after."""

    def __init__(self, dim: int, heads: int, points: int, hidden: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(dim, heads, LEVELS, points)
        self.attention_norm = LayerNorm(dim)
        self.feed_forward = Mlp(dim, hidden, dim)
        self.norm = LayerNorm(dim)

    def forward(
        self,
        cells: Tensor,
        positions: Tensor,
        centres: Tensor,
        sizes: Sequence[tuple[int, int]],
        inside: Optional[Callable[[Tensor], Tensor]] = None,
    ) -> Tensor:
        """Cells of all levels (B, ΣHW, D), their embeddings and centres → cells; ``inside`` is the
        attention's."""
        attended = self.attention(cells + positions, centres, cells, sizes, inside)
        cells = self.attention_norm(cells + attended)
        return self.norm(cells + self.feed_forward(cells))


class DeformableEncoder(nn.Module):
    """Deformable layers over three levels, at strides 8, 16 and 32.

    Args:
        channels: of the levels at strides 8, 16 and 32.
        dim: D, channels of all outputs.
        heads: attention heads.
        layers: deformable layers.
        points: samples of each head on each level.
        hidden: width of the feed-forward parts.
        between: called with the index of a layer, its cells (B, ΣHW, D), coarsest level first, and the sizes
            of the levels; what it returns goes to the next layer.
        inside: called alike, with what a layer's attention sampled, before its output's projection.
    """

    def __init__(
        self,
        channels: Sequence[int],
        dim: int,
        heads: int,
        layers: int,
        points: int,
        hidden: int,
        between: Optional[nn.Module] = None,
        inside: Optional[nn.Module] = None,
    ) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, dim, 1), GroupNorm(GROUPS, dim)) for c in reversed(channels)
        )
        self.level_embeddings = nn.Parameter(torch.randn(LEVELS, dim))
        self.layers = nn.ModuleList(PixelDecoderLayer(dim, heads, points, hidden) for _ in range(layers))
        self.between = between
        self.inside = inside
        initialise_convolutions(self)

    def levels(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features at strides 8, 16 and 32 → (B, D, H/s, W/s) for s = 32, 16, 8."""
        maps = [project(x) for project, x in zip(self.inputs, reversed(features))]
        sizes = [(x.shape[2], x.shape[3]) for x in maps]
        cells = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1)
        positions = torch.cat(
            [
                sine_positions(*size, cells.shape[-1], like=cells) + embedding
                for size, embedding in zip(sizes, self.level_embeddings)
            ],
            dim=1,
        )
        centres = cell_centres(sizes, like=cells)
        for index, layer in enumerate(self.layers):
            inside = None if self.inside is None else partial(self.inside, index, sizes=sizes)
            cells = layer(cells, positions, centres, sizes, inside)
            if self.between is not None:
                cells = self.between(index, cells, sizes)
        return [
            part.transpose(1, 2).reshape(part.shape[0], -1, *size)
            for part, size in zip(cells.split([h * w for h, w in sizes], dim=1), sizes)
        ]


class PixelDecoder(DeformableEncoder):
    """The deformable encoder, and one FPN step to stride 4.

    Args:
        channels: of the backbone's levels at strides 4, 8, 16 and 32; the others see ``DeformableEncoder``.
    """

    def __init__(
        self,
        channels: Sequence[int],
        dim: int,
        heads: int,
        layers: int,
        points: int,
        hidden: int,
        between: Optional[nn.Module] = None,
        inside: Optional[nn.Module] = None,
    ) -> None:
        super().__init__(channels[1:], dim, heads, layers, points, hidden, between, inside)
        self.lateral = nn.Sequential(nn.Conv2d(channels[0], dim, 1, bias=False), GroupNorm(GROUPS, dim))
        self.output = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1, bias=False), GroupNorm(GROUPS, dim), nn.ReLU()
        )
        self.mask_features = nn.Conv2d(dim, dim, 1)
        initialise_convolutions(self)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Features at strides 4, 8, 16 and 32 → mask features and three levels, coarsest first.

        Returns:
            (B, D, H/4, W/4), and (B, D, H/s, W/s) for s = 32, 16, 8.
        """
        levels = self.levels(features[1:])
        finest = self.lateral(features[0]) + resize(levels[-1], features[0].shape[-2:])
        return self.mask_features(self.output(finest)), levels


def initialise_convolutions(module: nn.Module) -> None:
    """Detectron2's ``c2_xavier_fill``, as Mask2Former starts its pixel decoder."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class MaskedDecoderLayer(nn.Module):
    """Masked cross-attention, self-attention and a feed-forward part, each residual and normed after."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.cross_attention = MultiHeadAttention(dim, heads)
        self.cross_norm = LayerNorm(dim)
        self.self_attention = MultiHeadAttention(dim, heads)
        self.self_norm = LayerNorm(dim)
        self.feed_forward = Mlp(dim, hidden, dim)
        self.norm = LayerNorm(dim)

    def forward(self, queries: Tensor, positions: Tensor, memory: Tensor, mask_logits: Tensor) -> Tensor:
        """One layer.

        Args:
            queries: (B, N, D).
            positions: (1, N, D).
            memory: (B, D, H, W), one level; or (B, D, F, H, W), that of the F frames of a clip.
            mask_logits: (B, N, H·W), the prediction from the queries on that level.
        """
        values = memory.flatten(2).transpose(1, 2)
        keys = values + memory_positions(memory)
        bias = attention_bias(mask_logits)
        queries = self.cross_norm(queries + self.cross_attention(queries + positions, keys, values, bias))
        placed = queries + positions
        queries = self.self_norm(queries + self.self_attention(placed, placed, queries))
        return self.norm(queries + self.feed_forward(queries))


def attention_bias(mask_logits: Tensor) -> Tensor:
    """What is added to the scores of cells that a mask does not cover: 0 from a logit of 0 on, down to
    -``MASK_BIAS`` at -1. The paper's is -inf below 0, and 0 in rows without a cell above."""
    return mask_logits.clamp(-1.0, 0.0) * MASK_BIAS


def memory_positions(memory: Tensor) -> Tensor:
    """The sine embedding of a level's cells, (1, cells, D): in the plane, and in a clip's time."""
    channels, height, width = memory.shape[1], memory.shape[-2], memory.shape[-1]
    if memory.ndim == 4:
        return sine_positions(height, width, channels, like=memory)
    return clip_positions(memory.shape[2], height, width, channels, memory).reshape(1, -1, channels)


class MaskedDecoder(nn.Module):
    """N learned queries, layers that refine them, and heads that read them after any layer.

    Args:
        dim: D.
        heads: attention heads.
        num_queries: N.
        num_classes: C; the class head has one output more, "no object".
        layers: M.
        hidden: width of the feed-forward parts.
    """

    def __init__(
        self, dim: int, heads: int, num_queries: int, num_classes: int, layers: int, hidden: int
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, num_queries, dim))
        self.positions = nn.Parameter(torch.randn(1, num_queries, dim))
        self.level_embeddings = nn.Parameter(torch.randn(LEVELS, dim))
        self.layers = nn.ModuleList(MaskedDecoderLayer(dim, heads, hidden) for _ in range(layers))
        self.norm = LayerNorm(dim)
        self.class_head = nn.Linear(dim, num_classes + 1)
        self.kernel_head = Mlp(dim, dim, dim, dim)

    def memories(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """The pixel decoder's levels with their embeddings, as the layers read them."""
        return [x + e.view(1, -1, 1, 1) for x, e in zip(levels, self.level_embeddings)]

    def initial_queries(self, batch: int) -> Tensor:
        """The learned queries, (B, N, D)."""
        return repeat_batch(self.queries, batch)

    def run_layer(self, index: int, queries: Tensor, memory: Tensor, guide: Tensor) -> Tensor:
        """Queries (B, N, D) after layer ``index``.

        Args:
            index: from 0; the layer reads level ``index % 3``.
            queries: (B, N, D) before it.
            memory: (B, D, H, W), that level of ``memories``; or a clip's, (B, D, F, H, W).
            guide: of the same shape, the mask features resampled to that level.
        """
        mask_logits = torch.bmm(self.kernels(queries), guide.flatten(2))
        if self.training:  # as in Mask2Former, attention is no path for the gradient of a mask
            mask_logits = mask_logits.detach()
        return self.layers[index](queries, self.positions, memory, mask_logits)

    def embeddings(self, queries: Tensor) -> Tensor:
        """What the heads read and MinVIS matches between frames, (B, N, D)."""
        return self.norm(queries)

    def kernels(self, queries: Tensor) -> Tensor:
        """(B, N, D): a query's mask logits are its kernel times the mask features."""
        return self.kernel_head(self.norm(queries))

    def class_logits(self, queries: Tensor) -> Tensor:
        """(B, N, C + 1), the last one for "no object"."""
        return self.class_head(self.norm(queries))


def mask_guides(mask_features: Tensor, levels: Sequence[Tensor]) -> list[Tensor]:
    """Mask features (B, D, H/4, W/4) resampled to the size of each level."""
    return [resize(mask_features, level.shape[-2:]) for level in levels]


def object_scores(class_logits: Tensor) -> Tensor:
    """Probabilities of the C classes, (…, C + 1) → (…, C)."""
    return F.softmax(class_logits, dim=-1)[..., :-1]
