"""Temporal-aware query routing (TAR, Cheng et al., 2025): skip decoder layers that a frame does not need.

After the first layers, the synchroniser aligns a frame's queries with the final ones of the frame before;
then a router before each layer compares the two and decides whether the layer runs. In an export every layer
and every router is an entry of its own, so that a client that skips a layer does none of its work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Optional

import torch
from torch import Tensor, nn

from mobilevis.models.blocks.layers import LayerNorm, Mlp, MultiHeadAttention
from mobilevis.models.blocks.mask2former import LEVELS
from mobilevis.models.checks import check_known
from mobilevis.models.entries import Entry, Streaming
from mobilevis.models.minvis.dvis_plus import DvisPlus, DvisPlusConfig
from mobilevis.models.minvis.minvis import STRIDES, Features, MinVIS, MinVISConfig, Refinement

SYNCHRONISERS = ("attention", "none")
# A new router keeps its layer with odds e² : 1.
INITIAL_MARGIN = 2.0
# A new synchroniser's scores are cosines times this: a query is found if it is nearer by a few hundredths.
SHARPNESS = 64.0
# Beyond any router's margin; in half precision, too, a softmax of it is 0 or 1.
NUDGE = 1e4


@dataclass(frozen=True)
class TarConfig(MinVISConfig):
    """MinVIS with TAR.

    Attributes:
        warmup: M^s, layers before the synchroniser, which always run (Fig. 4: 1 is best).
        synchroniser: ``attention`` (Eq. 2–3), or ``none`` for the ablation of Table 3.
        found: share that a new synchroniser adds of what it finds, in (0, 1].
    """

    warmup: int = 1
    synchroniser: str = "attention"
    found: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_known("synchroniser", self.synchroniser, SYNCHRONISERS)
        if self.warmup >= self.decoder_layers:
            raise ValueError(f"warmup {self.warmup} leaves none of the {self.decoder_layers} layers to route")
        if not 0 < self.found <= 1:
            raise ValueError(f"found is {self.found}, it must be above 0 and at most 1")


@dataclass(frozen=True)
class TarDvisPlusConfig(DvisPlusConfig, TarConfig):
    """DVIS++ with TAR."""


class Synchroniser(nn.Module):
    """Eq. 2–3: the queries of the last frame attend to this frame's; residual, and normed.

    Whatever query an object had in this frame, it is found at the place that it had in the last one. A new
    one looks each of the last queries up among this frame's by their cosine, and averages the two: while
    nothing moves, what is handed on comes to rest at what the frame shows, before any training. If it adds a
    small share of what is ``found`` instead, what is handed on stays what all layers made of it.
    """

    def __init__(self, dim: int, heads: int, found: float = 1.0) -> None:
        super().__init__()
        self.attention = attention = MultiHeadAttention(dim, heads)
        # Normed queries of C channels a head have a product of C · cosine, which the attention divides by √C.
        gain = (SHARPNESS / math.sqrt(dim // heads)) ** 0.5
        for layer, scale in zip(
            (attention.query, attention.key, attention.value, attention.out), (gain, gain, 1.0, found)
        ):
            with torch.no_grad():
                nn.init.eye_(layer.weight).mul_(scale)
        self.norm = LayerNorm(dim)

    def forward(self, queries: Tensor, previous: Tensor) -> Tensor:
        """This frame's queries and the last frame's final ones, (B, N, D) each → (B, N, D)."""
        return self.norm(self.attention(previous, queries, queries) + previous)


class Router(nn.Module):
    """Eq. 4–5: an MLP on both frames' queries and their difference, summed over the queries.

    The sum is a product with ones, which the delegate takes.
    """

    ones: Tensor

    def __init__(self, dim: int, num_queries: int) -> None:
        super().__init__()
        self.register_buffer("ones", torch.ones(1, num_queries), persistent=False)
        self.mlp = Mlp(3 * dim, dim, 2)
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.tensor([0.0, INITIAL_MARGIN / num_queries]))

    def forward(self, queries: Tensor, previous: Tensor) -> Tensor:
        """Queries before the layer and the last frame's final ones, (B, N, D) → scores (B, 2): skip, keep."""
        scores = self.mlp(torch.cat([queries, previous, queries - previous], dim=-1))
        return nn.functional.linear(scores.transpose(1, 2), self.ones).view(-1, 2)


def straight_through(scores: Tensor) -> Tensor:
    """Eq. 8–9: one-hot arg-max of scores (B, 2), with the gradient of their softmax."""
    soft = scores.softmax(dim=-1)
    hard = nn.functional.one_hot(soft.argmax(dim=-1), 2).to(soft)
    return hard + (soft - soft.detach())  # in this order exactly 0 or 1


def draw_nudges(frames: int, layers: int, probability: float) -> Tensor:
    """What is added to the routers' scores of keeping, (B, L), so that some frames' layers are drawn by lot.

    Each such frame has a share of its own, uniform in [0, 1], of the layers that it keeps. No gradient comes
    through a score that is moved so far.

    Args:
        frames: B.
        layers: L.
        probability: of a frame to be such a one; the routers decide the others.
    """
    kept = torch.rand(frames, layers) < torch.rand(frames, 1)
    drawn = torch.rand(frames, 1) < probability
    return torch.where(kept, NUDGE, -NUDGE) * drawn


class TemporalRouting(MinVIS):
    """A model of the MinVIS kind whose decoder is routed.

    Attributes:
        exploration: probability of a frame in training mode whose layers are drawn; see ``draw_nudges``.
        straight_through: whether a loss of the queries reaches the routers through the gates (Eq. 9), and
            what is in front of them through what they read.
    """

    config: TarConfig

    def __init__(self, config: TarConfig) -> None:
        super().__init__(config)
        self.exploration = 0.0
        self.straight_through = True
        self.synchroniser = (
            Synchroniser(config.dim, config.heads, config.found)
            if config.synchroniser == "attention"
            else None
        )
        routed = range(config.warmup, config.decoder_layers)
        self.routers = nn.ModuleList(Router(config.dim, config.num_queries) for _ in routed)

    def refine(self, features: Features, previous: Optional[Tensor] = None) -> Refinement:
        """Take queries through the decoder as in training: all layers run, and Eq. 10 weighs them.

        Args:
            features: of B frames.
            previous: (B, N, D), final queries of the frames before; None for first frames, which have no
                other queries than their own and run every layer.
        """
        steps = self.warm_up(features)
        if previous is not None and self.synchroniser is not None:
            steps.append(self.synchroniser(steps[-1], previous))
        kept, refined, margins = [], [], []
        nudges = self._draw_nudges(steps[-1])
        for index in range(self.config.warmup, self.config.decoder_layers):
            queries = steps[-1]
            refined.append(self.run_layer(index, queries, features))
            gate = queries.new_tensor([[0.0, 1.0]]).expand(len(queries), 2)
            if previous is not None:
                scores = self.route(index, queries if self.straight_through else queries.detach(), previous)
                margins.append(scores[:, 1] - scores[:, 0])
                gate = straight_through(scores + nudges[:, index - self.config.warmup])
                gate = gate if self.straight_through else gate.detach()
            steps.append(queries * gate[:, 0, None, None] + refined[-1] * gate[:, 1, None, None])
            kept.append(gate[:, 1])
        seen = torch.stack(margins, dim=1) if margins else None
        return Refinement(steps, torch.stack(kept, dim=1), refined, seen)

    def _draw_nudges(self, queries: Tensor) -> Tensor:
        """(B, L, 2): ``draw_nudges`` in training mode for the scores of keeping, otherwise zeros."""
        frames, layers = len(queries), len(self.routers)
        nudges = queries.new_zeros(frames, layers, 2)
        if self.training and self.exploration:
            nudges[..., 1] = draw_nudges(frames, layers, self.exploration).to(nudges)
        return nudges

    def warm_up(self, features: Features) -> list[Tensor]:
        """Queries (B, N, D) at the start and after each layer that always runs."""
        steps = [self.decoder.initial_queries(len(features.mask_features))]
        for index in range(self.config.warmup):
            steps.append(self.run_layer(index, steps[-1], features))
        return steps

    @torch.no_grad()
    def stand_still(self, features: Features, previous: Tensor, frames: int) -> Tensor:
        """Final queries (B, N, D) after the same B frames again and again, as the host computes them.

        In training mode the layers of some are drawn, once for all repetitions.

        Args:
            features: of B frames.
            previous: (B, N, D), their final queries at first.
            frames: how many times they are shown.
        """
        start = self.warm_up(features)[-1]
        nudges = self._draw_nudges(start)
        for _ in range(frames):
            queries = start if self.synchroniser is None else self.synchroniser(start, previous)
            for index in range(self.config.warmup, self.config.decoder_layers):
                scores = self.route(index, queries, previous) + nudges[:, index - self.config.warmup]
                keeps = scores.argmax(dim=-1) == 1
                if bool(keeps.any()):
                    refined = self.run_layer(index, queries, features)
                    queries = torch.where(keeps[:, None, None], refined, queries)
            previous = queries
        return previous

    def first_layer(self, memory: Tensor, guide: Tensor) -> Tensor:
        """The decoder's first layer, on the learned queries."""
        return self.layer(0, self.decoder.initial_queries(len(memory)), memory, guide)

    def layer(self, index: int, queries: Tensor, memory: Tensor, guide: Tensor) -> Tensor:
        """TD^i of Eq. 7, layers counted from 0."""
        return self.decoder.run_layer(index, queries, memory, guide)

    def synchronise(self, queries: Tensor, previous: Tensor) -> Tensor:
        """See ``Synchroniser``."""
        assert self.synchroniser is not None
        return self.synchroniser(queries, previous)

    def route(self, index: int, queries: Tensor, previous: Tensor) -> Tensor:
        """Scores (B, 2) of skipping and of keeping layer ``index``; see ``Router``."""
        return self.routers[index - self.config.warmup](queries, previous)

    def decoder_entries(self, input_size: tuple[int, int]) -> dict[str, Entry]:
        """``layer_0`` …, ``synchronise``, ``router_…`` and ``read``."""
        features = self.feature_shapes(input_size)
        queries = {"queries": (1, self.num_queries, self.dim)}
        both = {**queries, "previous": queries["queries"]}
        refined = {"refined": queries["queries"]}
        entries = {}
        for index in range(self.config.decoder_layers):
            stride = STRIDES[index % LEVELS]
            level = {name: features[name] for name in (f"memory_{stride}", f"guide_{stride}")}
            entries[f"layer_{index}"] = (
                Entry("layer", {**queries, **level}, refined, (index,))
                if index
                else Entry("first_layer", level, refined)
            )
        if self.synchroniser is not None:
            entries["synchronise"] = Entry("synchronise", both, refined)
        for index in range(self.config.warmup, self.config.decoder_layers):
            entries[f"router_{index}"] = Entry("route", both, {"scores": (1, 2)}, (index,))
        entries["read"] = Entry("read", queries, self.read_shapes())
        return entries

    def build_streaming(self, input_size: tuple[int, int], max_instances: int) -> Streaming:
        """MinVIS's, with the number of the decoder's layers and of those before the synchroniser."""
        streaming = super().build_streaming(input_size, max_instances)
        layers = {"decoder_layers": self.config.decoder_layers, "warmup": self.config.warmup}
        return replace(streaming, driver_options={**streaming.driver_options, **layers})


class TarMinVIS(TemporalRouting):
    """TAR on MinVIS."""

    driver = "minvis-tar"


class TarDvisPlus(TemporalRouting, DvisPlus):
    """TAR on DVIS++: the segmenter's decoder is routed, the tracker is as it was."""

    driver = "dvis-plus-tar"
    config: TarDvisPlusConfig
