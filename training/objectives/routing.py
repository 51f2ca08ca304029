"""Clips, frame after frame, through a decoder with routers or without: what TAR and DVIS++ share.

The paper trains routers by the task's loss alone. A ``budget`` of ours may be added: the mean of what the
routers keep, which makes a layer go that gains less than it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevis.models.minvis.minvis import Features, MinVIS, Refinement
from mobilevis.models.minvis.tar import TemporalRouting
from mobilevis.training.objectives.mask2former import Mask2FormerLoss, frame_terms
from mobilevis.training.objectives.matcher import Target


@dataclass(frozen=True)
class RoutingLoss(Mask2FormerLoss):
    """Weights of the loss.

    Attributes:
        budget: of the share of the routed layers that run; 0 is the paper's.
        freeze_encoder: keep backbone and pixel decoder as they are, as the paper does with MinVIS's.
        rollout: a clip's first frame stands still for up to so many frames, without gradients, before the
            second follows: queries that have been handed on for long are met in training too.
        exploration: scale of the noise on the routers' scores (``models.minvis.tar``). Without it a
            budget leaves scores at a tie, where rounding decides: within 0.1 for four of eight layers.
        final_only: of a routed frame, supervise the final queries only, with the weight of all outputs. The
            paper's sum over all outputs pays an early layer in every output after it and the last one once:
            from routers that kept the last three of nine, 300 iterations made ones that kept layers 1 to 5.
    """

    budget: float = 0.0
    freeze_encoder: bool = False
    rollout: int = 0
    exploration: float = 0.0
    final_only: bool = False


def split_frames(model: MinVIS, frames: Tensor, length: int) -> Iterator[Features]:
    """Yield the features of each frame of B clips, in order.

    Args:
        model: the network.
        frames: (F·B, 3, H, W), frame by frame.
        length: F.
    """
    features = model.features(frames)
    parts = [tensor.chunk(length) for tensor in features.flat()]
    for mask_features, *levels in zip(*parts):
        yield Features(mask_features, levels[:3], levels[3:])


def draw_rollout(rollout: int) -> int:
    """Draw how many frames a clip stands still; see ``RoutingLoss``."""
    return int(torch.randint(rollout + 1, ()))


def hand_on(
    model: MinVIS, features: Features, steps: Refinement, weights: RoutingLoss, first: bool
) -> Tensor:
    """The queries (B, N, D) that the next frame is compared with; no gradient goes through them.

    Args:
        model: the network, with routers or without.
        features: of B frames.
        steps: their way through the decoder.
        weights: of the terms.
        first: whether they are their clips' first frames, which may stand still.
    """
    queries = steps.queries[-1].detach()
    if first and weights.rollout and isinstance(model, TemporalRouting):
        return model.stand_still(features, queries, draw_rollout(weights.rollout))
    return queries


def segmenter_terms(
    model: MinVIS,
    features: Features,
    steps: Refinement,
    targets: Sequence[Target],
    weights: RoutingLoss,
    routed: bool,
) -> dict[str, Tensor]:
    """The terms of ``Mask2FormerObjective`` for B frames, of the outputs that ``final_only`` leaves.

    Args:
        model: the network.
        features: of the frames.
        steps: their way through the decoder.
        targets: B.
        weights: of the terms.
        routed: whether routers chose the layers.
    """
    queries = steps.queries[-1:] if routed and weights.final_only else steps.queries
    joined = model.predict(torch.cat(queries, dim=1), features.mask_features)
    scale = len(steps.queries) / len(queries)
    return {name: scale * term for name, term in frame_terms(joined, len(queries), targets, weights).items()}
