"""EfficientVIS's query-video interaction (Wu et al., CVPR 2022, §3.1): attention, dynamic convolution, heads.

Shapes: T frames of a clip, N tracklet queries, C channels, P cells of a crop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import LayerNorm, MultiHeadAttention, start_at_prior
from mobilevis.models.blocks.roi import pyramid_roi_align

BOX_WEIGHTS = (2.0, 2.0, 1.0, 1.0)  # Sparse R-CNN's scale of regressed box changes
MAX_LOG_GROWTH = math.log(1000.0 / 16.0)  # of a box's side in one iteration, Detectron's bound
MASK_CONVS = 4  # QueryInst's and Mask R-CNN's mask head
MASKED = -1e4  # added to a similarity, leaves softmax a weight of exactly 0 in float32


class Interaction(NamedTuple):
    """What one iteration makes of the tracklet queries and proposals.

    Attributes:
        class_logits: (T, N, K), a sigmoid each; an instance that is absent has none.
        boxes: (T, N, 4), the refined proposals: x0, y0, x1, y1 as fractions of width and height.
        attended: (T, N, C), the queries that the dynamic filters come from.
        queries: (T, N, C), the updated queries.
    """

    class_logits: Tensor
    boxes: Tensor
    attended: Tensor
    queries: Tensor


def earlier(x: Tensor) -> Tensor:
    """Frame t − 1 in the place of frame t, (T, …); the first frame keeps itself."""
    return torch.cat([x[:1], x[:-1]])


def later(x: Tensor) -> Tensor:
    """Frame t + 1 in the place of frame t, (T, …); the last frame keeps itself."""
    return torch.cat([x[1:], x[-1:]])


# Table 1a: over what the tracklet queries attend to each other, step by step.
SELF_ATTENTIONS = {
    "factorised": ("temporal", "spatial"),
    "spatial": ("spatial",),
    "temporal": ("temporal",),
    "joint": ("joint",),
}


class TrackletAttention(nn.Module):
    """Self-attention of tracklet queries, each step residual and normed after.

    A temporal step is over the frames of each query (Eq. 1), a spatial one over the queries of each frame
    (Eq. 2), a joint one over all T·N embeddings.

    Args:
        dim: C.
        heads: attention heads.
        scheme: a key of ``SELF_ATTENTIONS``; the paper's FTSA is ``factorised``.
    """

    def __init__(self, dim: int, heads: int, scheme: str = "factorised") -> None:
        super().__init__()
        self.steps = SELF_ATTENTIONS[scheme]
        for step in self.steps:
            self.add_module(step, MultiHeadAttention(dim, heads))
            self.add_module(f"{step}_norm", LayerNorm(dim))

    def forward(self, queries: Tensor) -> Tensor:
        """(T, N, C) → (T, N, C)."""
        frames, count, dim = queries.shape
        for step in self.steps:
            x = queries.transpose(0, 1).contiguous() if step == "temporal" else queries
            x = x.reshape(1, frames * count, dim) if step == "joint" else x
            attention, norm = self.get_submodule(step), self.get_submodule(f"{step}_norm")
            x = norm(x + attention(x, x, x))
            queries = x.transpose(0, 1).contiguous() if step == "temporal" else x.view(frames, count, dim)
        return queries


class TemporalDynamicConv(nn.Module):
    """TDC (Eq. 3): each embedding's own filter on its tracklet's crops of three frames, weighed by likeness.

    The filter is Sparse R-CNN's: two products, C → hidden → C, each normed and rectified. Every crop is of
    its own frame's box, φ(f^t', b^t'), so that the tracklet is followed where it moves.

    Args:
        dim: C.
        hidden: channels between the two products.
        temporal: False for the still-image convolution of Table 1b, on the frame's own crop alone.
    """

    ones: Tensor

    def __init__(self, dim: int, hidden: int, temporal: bool = True) -> None:
        super().__init__()
        self.dim, self.hidden, self.temporal = dim, hidden, temporal
        self.filters = nn.Linear(dim, 2 * dim * hidden)
        self.hidden_norm = LayerNorm(hidden)
        self.norm = LayerNorm(dim)
        self.register_buffer("ones", torch.ones(1, dim), persistent=False)

    def forward(self, queries: Tensor, crops: Tensor) -> Tensor:
        """Queries (T, N, C) and their crops (T, N, P, C) → tracklet features (T·N, P, C).

        Beyond an end of the clip the end frame stands in, with a weight of 0.
        """
        frames, count, dim = queries.shape
        filters = self.filters(queries).view(frames * count, 2, dim * self.hidden)
        into = filters[:, 0].reshape(-1, dim, self.hidden)
        out = filters[:, 1].reshape(-1, self.hidden, dim)
        seen = torch.cat([earlier(crops), crops, later(crops)], dim=2) if self.temporal else crops
        x = self.hidden_norm(torch.bmm(seen.flatten(0, 1), into)).relu()
        x = self.norm(torch.bmm(x, out)).relu()
        if not self.temporal:
            return x
        before, own, after = x.chunk(3, dim=1)
        likeness = torch.cat([self._cosine(own, other) for other in (before, own, after)], dim=2)
        weights = (likeness + _clip_ends(frames, count, likeness)).softmax(dim=-1)
        return before * weights[..., :1] + own * weights[..., 1:2] + after * weights[..., 2:]

    def _cosine(self, a: Tensor, b: Tensor) -> Tensor:
        """(B, P, C) and (B, P, C) → (B, P, 1)."""
        product, squares = self._sum(a * b), self._sum(a * a) * self._sum(b * b)
        return product * torch.rsqrt(squares + 1e-6)

    def _sum(self, x: Tensor) -> Tensor:
        return F.linear(x, self.ones)


def _clip_ends(frames: int, count: int, like: Tensor) -> Tensor:
    """(T·N, 1, 3), ``MASKED`` for the frame before the first and the one after the last, else 0."""
    table = torch.zeros(frames, count, 3, dtype=like.dtype, device=like.device)
    table[0, :, 0] = MASKED
    table[-1, :, 2] = MASKED
    return table.view(frames * count, 1, 3)


class MaskHead(nn.Module):
    """QueryInst's dynamic mask head: its own TDC, four 3×3 convolutions, ×2 and a mask of one class.

    Args:
        dim: C.
        hidden: of the dynamic convolution.
        bins: of the crops, down and across; the mask has twice as many.
        finest_scale: see ``mobilevis.models.blocks.roi.level_choice``.
        temporal: see ``TemporalDynamicConv``.
    """

    def __init__(self, dim: int, hidden: int, bins: int, finest_scale: float, temporal: bool) -> None:
        super().__init__()
        self.bins, self.finest_scale = bins, finest_scale
        self.dynamic_conv = TemporalDynamicConv(dim, hidden, temporal)
        layers: list[nn.Module] = []
        for _ in range(MASK_CONVS):
            layers += [nn.Conv2d(dim, dim, 3, padding=1), nn.ReLU()]
        layers += [nn.ConvTranspose2d(dim, dim, 2, 2), nn.ReLU(), nn.Conv2d(dim, 1, 1)]
        self.convs = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                assert layer.bias is not None
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, levels: Sequence[Tensor], attended: Tensor, boxes: Tensor) -> Tensor:
        """Masks inside boxes.

        Args:
            levels: pyramid of the clip, (T, H_l, W_l, C).
            attended: (T, S, C), of any S tracklets.
            boxes: (T, S, 4), the refined ones.

        Returns:
            (T, S, 2·bins, 2·bins) logits.
        """
        frames, count, dim = attended.shape
        crops = pyramid_roi_align(levels, boxes, self.bins, self.finest_scale)
        features = self.dynamic_conv(attended, crops).transpose(1, 2)
        logits = self.convs(features.reshape(frames * count, dim, self.bins, self.bins))
        return logits.view(frames, count, 2 * self.bins, 2 * self.bins)


class QueryVideoInteraction(nn.Module):
    """One of the M iterations: the queries talk to each other, then to the video; heads read the result.

    Args:
        dim: C.
        heads: attention heads.
        hidden: width of the feed-forward part.
        dynamic_dim: hidden channels of the dynamic convolutions.
        num_classes: K.
        bins: of the crops, down and across.
        finest_scale: see ``mobilevis.models.blocks.roi.level_choice``.
        self_attention: a key of ``SELF_ATTENTIONS``.
        temporal: see ``TemporalDynamicConv``.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int,
        dynamic_dim: int,
        num_classes: int,
        bins: int,
        finest_scale: float,
        self_attention: str,
        temporal: bool,
    ) -> None:
        super().__init__()
        self.bins, self.finest_scale = bins, finest_scale
        self.attention = TrackletAttention(dim, heads, self_attention)
        self.dynamic_conv = TemporalDynamicConv(dim, dynamic_dim, temporal)
        self.collect = nn.Sequential(nn.Linear(bins**2 * dim, dim), LayerNorm(dim), nn.ReLU())
        self.collect_norm = LayerNorm(dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.feed_forward_norm = LayerNorm(dim)
        classify = nn.Linear(dim, num_classes)
        self.class_head = nn.Sequential(*_head_layers(dim, 1), classify)
        regress = nn.Linear(dim, 4)
        self.box_head = nn.Sequential(*_head_layers(dim, 3), regress)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.xavier_uniform_(parameter)
        start_at_prior(classify)
        # Fast R-CNN's small start of a regression (§2.3): proposals that iterations throw about see nothing.
        nn.init.normal_(regress.weight, std=0.01)
        nn.init.zeros_(regress.bias)

    def forward(self, levels: Sequence[Tensor], queries: Tensor, boxes: Tensor) -> Interaction:
        """Pyramid (T, H_l, W_l, C), queries (T, N, C) and proposals (T, N, 4) → their refinement."""
        attended = self.attention(queries)
        crops = pyramid_roi_align(levels, boxes, self.bins, self.finest_scale)
        features = self.dynamic_conv(attended, crops).reshape(*queries.shape[:2], -1)
        queries = self.collect_norm(attended + self.collect(features))
        queries = self.feed_forward_norm(queries + self.feed_forward(queries))
        refined = refine_boxes(boxes, self.box_head(queries))
        return Interaction(self.class_head(queries), refined, attended, queries)


def _head_layers(dim: int, count: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [nn.Linear(dim, dim, bias=False), LayerNorm(dim), nn.ReLU()]
    return layers


def refine_boxes(boxes: Tensor, changes: Tensor) -> Tensor:
    """R-CNN's box regression: centres move by a share of the side, sides grow exponentially.

    Args:
        boxes: (T, N, 4), x0, y0, x1, y1.
        changes: (T, N, 4), dx, dy, dw, dh before ``BOX_WEIGHTS``.
    """
    x0, y0, x1, y1 = boxes.unbind(2)
    dx, dy, dw, dh = (change * (1.0 / weight) for change, weight in zip(changes.unbind(2), BOX_WEIGHTS))
    width, height = x1 - x0, y1 - y0
    x, y = (x0 + x1) * 0.5 + dx * width, (y0 + y1) * 0.5 + dy * height
    half_width = width * dw.clamp(max=MAX_LOG_GROWTH).exp() * 0.5
    half_height = height * dh.clamp(max=MAX_LOG_GROWTH).exp() * 0.5
    return torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], dim=2)
