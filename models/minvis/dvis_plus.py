"""DVIS++ (Zhang et al., 2023), online: MinVIS's segmenter, and a tracker that refines what it finds.

The tracker's state is one query for each object, which the client holds. The segmenter's queries, put in the
order of the objects by the client, are refined layer by layer: the object's last state asks this frame's
queries what has become of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mobilevis.models.blocks.layers import LayerNorm, Mlp, MultiHeadAttention
from mobilevis.models.blocks.mask2former import object_scores
from mobilevis.models.entries import Entry, Shape
from mobilevis.models.minvis.minvis import MinVIS, MinVISConfig, Prediction


@dataclass(frozen=True)
class DvisPlusConfig(MinVISConfig):
    """MinVIS's, and the tracker's.

    Attributes:
        tracker_layers: layers of the referring tracker.
    """

    tracker_layers: int = 6


class Tracked(NamedTuple):
    """What the tracker makes of a frame.

    Attributes:
        layers: (B, N, D) after each layer; the last one is the state that the next frame refers to.
        reference: (B, N, D), what the class head reads beside it.
    """

    layers: list[Tensor]
    reference: Tensor


class ReferringLayer(nn.Module):
    """Referring cross-attention, self-attention and a feed-forward part, each residual and normed after.

    The reference asks, and the answer is added to the query that is refined: what stood there cannot decide
    alone what comes out.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.cross_attention = MultiHeadAttention(dim, heads)
        self.cross_norm = LayerNorm(dim)
        self.self_attention = MultiHeadAttention(dim, heads)
        self.self_norm = LayerNorm(dim)
        self.feed_forward = Mlp(dim, hidden, dim)
        self.norm = LayerNorm(dim)

    def forward(self, queries: Tensor, reference: Tensor, frame: Tensor) -> Tensor:
        """Queries to refine, their references and the frame's queries, (B, N, D) each → (B, N, D)."""
        queries = self.cross_norm(queries + self.cross_attention(reference, frame, frame))
        queries = self.self_norm(queries + self.self_attention(queries, queries, queries))
        return self.norm(queries + self.feed_forward(queries))


class ReferringTracker(nn.Module):
    """The tracker and its heads.

    Args:
        dim: D.
        heads: attention heads.
        num_classes: C.
        layers: number of layers.
        hidden: width of the feed-forward parts.
    """

    def __init__(self, dim: int, heads: int, num_classes: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.reference_head = Mlp(dim, dim, dim, dim)
        self.layers = nn.ModuleList(ReferringLayer(dim, heads, hidden) for _ in range(layers))
        self.norm = LayerNorm(dim)
        self.class_head = nn.Linear(2 * dim, num_classes + 1)
        self.kernel_head = Mlp(dim, dim, dim, dim)
        self.mask_projection = nn.Conv2d(dim, dim, 1)

    def begin(self, frame: Tensor) -> Tracked:
        """A video's first frame, whose queries (B, N, D) refer to themselves, then to the last layer."""
        reference = self.reference_head(frame)
        states, asking = [frame], reference
        for layer in self.layers:
            states.append(layer(states[-1], asking, frame))
            asking = self.reference_head(states[-1])
        return Tracked(states[1:], reference)

    def track(self, matched: Tensor, frame: Tensor, last: Tensor) -> Tracked:
        """A further frame.

        Args:
            matched: (B, N, D), the frame's queries in the order of the objects.
            frame: (B, N, D), the frame's queries in any order.
            last: (B, N, D), the tracker's last state.
        """
        reference = self.reference_head(last)
        states = [matched]
        for layer in self.layers:
            states.append(layer(states[-1], reference, frame))
        return Tracked(states[1:], reference)

    def class_logits(self, state: Tensor, reference: Tensor) -> Tensor:
        """(B, N, C + 1)."""
        return self.class_head(torch.cat([reference, self.norm(state)], dim=-1))

    def kernels(self, state: Tensor) -> Tensor:
        """(B, N, D)."""
        return self.kernel_head(self.norm(state))


class DvisPlus(MinVIS):
    """DVIS++ with any size; see ``DvisPlusConfig``."""

    driver = "dvis-plus"
    config: DvisPlusConfig

    def __init__(self, config: DvisPlusConfig) -> None:
        super().__init__(config)
        self.tracker = ReferringTracker(
            config.dim, config.heads, config.num_classes, config.tracker_layers, config.decoder_hidden
        )

    def predict_tracked(self, tracked: Tracked, mask_features: Tensor) -> list[Prediction]:
        """Read the tracker's queries after every layer; mask features (B, D, H/4, W/4) of the segmenter."""
        tracker = self.tracker
        projected = tracker.mask_projection(mask_features)
        return [
            Prediction(
                tracker.class_logits(state, tracked.reference),
                self.segment(tracker.kernels(state), projected),
            )
            for state in tracked.layers
        ]

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """As MinVIS's, but for the mask features: those of the tracker's kernels."""
        mask_features, *levels = super().encode(frame)
        return (self.tracker.mask_projection(mask_features), *levels)

    def read(self, queries: Tensor) -> tuple[Tensor, ...]:
        """Queries (B, N, D) → embeddings (B, N, D) to match, and the queries as the tracker takes them."""
        return self.decoder.embeddings(queries), queries

    def read_shapes(self) -> dict[str, Shape]:
        queries = (1, self.num_queries, self.dim)
        return {"embeddings": queries, "frame_queries": queries}

    def begin(self, frame_queries: Tensor) -> tuple[Tensor, ...]:
        """The first frame's queries (1, N, D) → state, kernels and scores."""
        return self._report(self.tracker.begin(frame_queries))

    def track(self, matched: Tensor, frame_queries: Tensor, last: Tensor) -> tuple[Tensor, ...]:
        """A further frame → state (1, N, D), kernels (1, N, D) and scores (1, N, C), by object."""
        return self._report(self.tracker.track(matched, frame_queries, last))

    def _report(self, tracked: Tracked) -> tuple[Tensor, ...]:
        state = tracked.layers[-1]
        scores = object_scores(self.tracker.class_logits(state, tracked.reference))
        return state, self.tracker.kernels(state), scores

    def tracker_entries(self) -> dict[str, Entry]:
        """``begin`` for a video's first frame, ``track`` for every other."""
        queries = (1, self.num_queries, self.dim)
        given = {"frame_queries": queries}
        found = {
            "state": queries,
            "kernels": queries,
            "scores": (1, self.num_queries, self.num_classes),
        }
        return {
            "begin": Entry("begin", given, found),
            "track": Entry("track", {"matched": queries, **given, "last": queries}, found),
        }
