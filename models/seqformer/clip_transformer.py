"""The encoder and decoder of SeqFormer (Wu et al., ECCV 2022), with TAFormer's additions where they are on.

Tensors of a clip are frame-major: (T·B, …) holds the first frames of B clips, then their second ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn

from mobilevis.models.blocks.deformable import DeformableAttention, Sizes, cell_centres, sample_values
from mobilevis.models.blocks.layers import LayerNorm, Mlp, MultiHeadAttention
from mobilevis.models.blocks.positions import sine_positions
from mobilevis.models.blocks.resampling import repeat_batch
from mobilevis.models.seqformer.taformer import JointAttention, TemporalSelfAttention, temporal_positions

LEVELS = 4  # strides 8, 16, 32 and 64


class Residual(nn.Module):
    """Add a branch to its input after dropout, then norm."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = LayerNorm(dim)

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        return self.norm(x + self.dropout(branch))


class EncoderLayer(nn.Module):
    """Deformable attention of every cell, and a feed-forward part.

    Args:
        attention: ``DeformableAttention``, which reads the cell's own frame, or ``JointAttention``.
        dim: D.
        hidden: width of the feed-forward part.
        dropout: rate.
    """

    def __init__(
        self, attention: DeformableAttention | JointAttention, dim: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.attention = attention
        self.attention_residual = Residual(dim, dropout)
        self.feed_forward = Mlp(dim, hidden, dim)
        self.residual = Residual(dim, dropout)

    def forward(self, cells: Tensor, positions: Tensor, centres: Tensor, sizes: Sizes, length: int) -> Tensor:
        """Cells (T·B, ΣHW, D) → cells; see ``JointAttention.forward``."""
        query = cells + positions
        if isinstance(self.attention, JointAttention):
            attended = self.attention(query, centres, cells, sizes, length)
        else:
            attended = self.attention(query, centres, cells, sizes)
        cells = self.attention_residual(cells, attended)
        return self.residual(cells, self.feed_forward(cells))


class ClipEncoder(nn.Module):
    """Encoder layers over the maps of all frames.

    Args:
        layers: the layers.
        dim: D.
        temporal: add the frame's place in the clip to the positions of its cells (TAFormer, Eq. 6).
        place: of a cell in the sine positions; see ``sine_positions``.
    """

    def __init__(self, layers: Sequence[EncoderLayer], dim: int, temporal: bool, place: float) -> None:
        super().__init__()
        self.level_embeddings = nn.Parameter(torch.randn(LEVELS, dim))
        self.layers = nn.ModuleList(layers)
        self.temporal = temporal
        self.place = place

    def forward(self, maps: Sequence[Tensor], length: int) -> Tensor:
        """Maps (T·B, D, H, W) of each level, finest first → the memory (T·B, ΣHW, D)."""
        sizes = map_sizes(maps)
        cells = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1)
        positions = torch.cat(
            [
                sine_positions(*size, cells.shape[-1], like=cells, place=self.place) + embedding
                for size, embedding in zip(sizes, self.level_embeddings)
            ],
            dim=1,
        )
        if self.temporal:
            times = temporal_positions(length, cells.shape[-1], like=cells)
            clips = cells.shape[0] // length
            positions = positions + times.transpose(0, 1).repeat_interleave(clips, dim=0)
        centres = cell_centres(sizes, like=cells)
        for layer in self.layers:
            cells = layer(cells, positions, centres, sizes, length)
        return cells


def map_sizes(maps: Sequence[Tensor]) -> list[tuple[int, int]]:
    """(height, width) of each map."""
    return [(x.shape[2], x.shape[3]) for x in maps]


class DecoderLayer(nn.Module):
    """One layer of SeqFormer's query decomposition decoder.

    Each instance has one query for class and mask, and one box query in each frame. Box queries say where to
    sample their frame; the samples of an instance, weighed over the frames, update its query.
    """

    def __init__(self, dim: int, heads: int, points: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(dim, heads)
        self.self_residual = Residual(dim, dropout)
        self.box_attention = MultiHeadAttention(dim, heads)
        self.box_self_residual = Residual(dim, dropout)
        self.cross_attention = DeformableAttention(dim, heads, LEVELS, points)
        self.box_out = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.box_out.weight)
        nn.init.zeros_(self.box_out.bias)
        self.box_cross_residual = Residual(dim, dropout)
        self.box_feed_forward = Mlp(dim, hidden, dim)
        self.box_residual = Residual(dim, dropout)
        self.frame_weight = nn.Linear(dim, 1)
        self.cross_residual = Residual(dim, dropout)
        self.feed_forward = Mlp(dim, hidden, dim)
        self.residual = Residual(dim, dropout)

    def forward(
        self,
        instances: Tensor,
        boxes: Tensor,
        positions: Tensor,
        reference: Tensor,
        memory: Tensor,
        sizes: Sizes,
    ) -> tuple[Tensor, Tensor]:
        """One layer.

        Args:
            instances: (B, N, D), instance queries.
            boxes: (T·B, N, D), box queries.
            positions: (1, N, D), of both.
            reference: (T·B, N, 2) or (T·B, N, 4), points or boxes to sample around.
            memory: (T·B, ΣHW, D).
            sizes: of the memory's maps.

        Returns:
            Instance and box queries.
        """
        placed = instances + positions
        instances = self.self_residual(instances, self.self_attention(placed, placed, instances))
        placed = boxes + positions
        boxes = self.box_self_residual(boxes, self.box_attention(placed, placed, boxes))
        cross = self.cross_attention
        locations, weights = cross.sampling(boxes + positions, reference, sizes)
        samples = sample_values(cross.project(memory), sizes, locations, weights)
        boxes = self.box_cross_residual(boxes, self.box_out(samples))
        boxes = self.box_residual(boxes, self.box_feed_forward(boxes))
        instances = self.cross_residual(instances, self._over_frames(cross.out(samples), boxes, instances))
        return self.residual(instances, self.feed_forward(instances)), boxes

    def _over_frames(self, samples: Tensor, boxes: Tensor, instances: Tensor) -> Tensor:
        """Mean of (T·B, N, D) over the T frames, weighed by what each frame's box query says → (B, N, D)."""
        batch, queries, dim = instances.shape
        length = boxes.shape[0] // batch
        shares = self.frame_weight(boxes).view(length, batch * queries).transpose(0, 1).softmax(dim=1)
        by_instance = samples.view(length, batch * queries, dim).transpose(0, 1)
        return torch.bmm(shares.unsqueeze(1), by_instance).view(batch, queries, dim)


class DecodedLayer(NamedTuple):
    """What one decoder layer says.

    Attributes:
        instances: (B, N, D), instance queries.
        box_queries: (T·B, N, D).
        boxes: (T·B, N, 4), centre x, centre y, width and height as shares of the frame.
        points: (T·B, N, 2), centres that the layer started from; masks are relative to them.
    """

    instances: Tensor
    box_queries: Tensor
    boxes: Tensor
    points: Tensor


class ClipDecoder(nn.Module):
    """Decoder layers with a box head each, which refines the boxes of the layer before it.

    Args:
        layers: the layers.
        dim: D.
        num_queries: N.
        attention: TAFormer's attention of box queries over the frames before each layer; None leaves them
            apart, as SeqFormer does.
        temporal: whether that attention sees the frames' places in the clip.
    """

    def __init__(
        self,
        layers: Sequence[DecoderLayer],
        dim: int,
        num_queries: int,
        attention: Optional[TemporalSelfAttention],
        temporal: bool,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.queries = nn.Parameter(torch.randn(1, num_queries, dim))
        self.positions = nn.Parameter(torch.randn(1, num_queries, dim))
        self.reference = nn.Linear(dim, 2)
        nn.init.xavier_uniform_(self.reference.weight)
        nn.init.zeros_(self.reference.bias)
        outputs = [nn.Linear(dim, 4) for _ in layers]
        for output in outputs:
            nn.init.zeros_(output.weight)
            nn.init.zeros_(output.bias)
        nn.init.constant_(outputs[0].bias[2:], -2.0)  # first boxes are an eighth of the frame wide
        self.box_heads = nn.ModuleList(
            nn.Sequential(Mlp(dim, dim, dim), nn.ReLU(), output) for output in outputs
        )
        self.temporal_attention = attention
        self.temporal = temporal

    def forward(self, memory: Tensor, sizes: Sizes, length: int) -> Iterator[DecodedLayer]:
        """The layers' output on a memory (T·B, ΣHW, D), layer by layer."""
        frames, _, dim = memory.shape
        instances = repeat_batch(self.queries, frames // length)
        boxes = repeat_batch(self.queries, frames)
        times = temporal_positions(length, dim, like=memory) if self.temporal else None
        reference = repeat_batch(self.reference(self.positions).float().sigmoid(), frames)
        for layer, head in zip(self.layers, self.box_heads):
            if self.temporal_attention is not None:
                boxes = self.temporal_attention(boxes, length, times)
            instances, boxes = layer(instances, boxes, self.positions, reference, memory, sizes)
            refined = refine(reference, head(boxes))
            yield DecodedLayer(instances, boxes, refined, reference[..., :2])
            reference = refined.detach()


def refine(reference: Tensor, change: Tensor) -> Tensor:
    """Move boxes, in logits (Deformable DETR, A.4).

    Args:
        reference: (…, 2), points, or (…, 4), boxes.
        change: (…, 4).

    Returns:
        Boxes (…, 4).
    """
    change = change.float()  # bfloat16 would place a box to 1/256 of the frame
    clamped = reference.clamp(1e-5, 1.0 - 1e-5)
    before = torch.log(clamped) - torch.log(1.0 - clamped)
    if reference.shape[-1] == 4:
        return (change + before).sigmoid()
    return torch.cat([change[..., :2] + before, change[..., 2:]], dim=-1).sigmoid()
