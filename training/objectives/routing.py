"""Clips, frame after frame, through a decoder with routers or without: what TAR and DVIS++ share.

The paper trains routers by the task's loss alone, through the gates. A ``budget`` of ours may be added: the
mean of what the routers keep, which makes a layer go that gains less than it. Or, ours as well, a router
learns in each frame what its layer gained there; see ``RoutingLoss.routers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mobilevis.models.checks import check_known
from mobilevis.models.minvis.minvis import Features, MinVIS, Refinement
from mobilevis.models.minvis.tar import TemporalRouting
from mobilevis.training.objectives.base import sum_terms
from mobilevis.training.objectives.mask2former import (
    Mask2FormerLoss,
    compute_losses,
    output_costs,
    split_outputs,
)
from mobilevis.training.objectives.matcher import Assignment, Target, pad_targets, solve_frames

# "task": the gradient of the loss, through straight-through gates (Eq. 8-10). "gain": what the layer gained.
ROUTERS = ("task", "gain")
# From costs (B, N, M) of the final queries to the assignments of B frames whose objects keep their queries.
Keep = Callable[[NDArray[np.float32]], list[Assignment]]


@dataclass(frozen=True)
class RoutingLoss(Mask2FormerLoss):
    """Weights of the loss.

    Attributes:
        routers: what teaches them. ``task`` is the paper's: the loss of all outputs, through the gates. It
            pays an early layer in every output after it, the last one once, and its gradient is a guess from
            one point. ``gain`` (ours) computes in each frame how much lower the loss is behind a layer than
            in front of it, and asks the router whether that is more than ``budget``; the outputs of the
            layers that ran are supervised once each, and no gradient goes through the gates.
        budget: what a layer costs. ``task``: the weight of the share of the routed layers that run; 0 is the
            paper's. ``gain``: the loss that it must save, in units of one output's.
        freeze_encoder: keep backbone and pixel decoder as they are, as the paper does with MinVIS's.
        rollout: a frame stands still for up to so many frames, without gradients, before the next follows,
            one time in two: queries that have been handed on for long are met in training too.
        exploration: probability of a frame whose layers are drawn, whatever the routers say: any share of
            them, so that what a router says of a state that it would not come to is measured, too.
    """

    routers: str = "task"
    budget: float = 0.0
    freeze_encoder: bool = False
    rollout: int = 0
    exploration: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_known("objective.routers", self.routers, ROUTERS)

    def prepare(self, model: TemporalRouting) -> None:
        """Make a model's gates behave in training as these weights ask."""
        model.exploration = self.exploration
        model.straight_through = self.routers == "task"


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
    """Draw how many frames a frame stands still; see ``RoutingLoss``."""
    return max(0, int(torch.randint(-rollout, rollout + 1, ())))


def hand_on(model: MinVIS, features: Features, steps: Refinement, weights: RoutingLoss) -> Tensor:
    """The queries (B, N, D) that the next frame is compared with; no gradient goes through them.

    Args:
        model: the network, with routers or without.
        features: of B frames, which may stand still.
        steps: their way through the decoder.
        weights: of the terms.
    """
    queries = steps.queries[-1].detach()
    if weights.rollout and isinstance(model, TemporalRouting):
        return model.stand_still(features, queries, draw_rollout(weights.rollout))
    return queries


def segmenter_terms(
    model: MinVIS,
    features: Features,
    steps: Refinement,
    targets: Sequence[Target],
    weights: RoutingLoss,
    keep: Optional[Keep] = None,
) -> dict[str, Tensor]:
    """The terms of ``Mask2FormerLoss`` for B frames, and that of the routers that chose their layers.

    Args:
        model: the network.
        features: of the frames.
        steps: their way through the decoder.
        targets: B.
        weights: of the terms.
        keep: told each frame's costs in turn, says which queries its objects have kept. Routed frames'
            outputs behind the synchroniser are matched so; None matches every output anew, as the paper does.

    Returns:
        ``classes``, ``mask``, ``dice``, and ``routers`` where they are taught what their layers gain.
    """
    routed, layers = steps.margins is not None, len(steps.refined)
    by_gain = routed and weights.routers == "gain"
    outputs = [*steps.queries[:-layers], *steps.refined] if by_gain else steps.queries
    joined = model.predict(torch.cat(outputs, dim=1), features.mask_features)
    instances = pad_targets(targets)
    costs = output_costs(split_outputs(joined, len(outputs)), instances, weights)
    matches = [solve_frames(output, instances.counts) for output in costs]
    ran = torch.ones(len(targets), len(outputs), device=joined.mask_logits.device)
    if by_gain:
        ran[:, -layers:] = steps.kept
    if keep is not None:
        last = (ran * torch.arange(len(outputs), device=ran.device)).argmax(1).tolist()
        kept = keep(np.stack([costs[output, frame] for frame, output in enumerate(last)]))
        if routed:
            matches[-layers - 1 :] = [kept] * (layers + 1)
    losses = compute_losses(joined, instances, matches, weights)
    terms = {name: (ran * table).sum() for name, table in losses.items()}
    if by_gain:
        joint = len(targets) * torch.stack(list(losses.values())).sum(0).detach()
        terms["routers"] = router_loss(joint[:, -layers - 1 :], steps, weights.budget)
    return terms


def budget_term(steps: Refinement, weights: RoutingLoss) -> dict[str, Tensor]:
    """``budget`` of routed frames, where the routers are taught by the task."""
    if steps.margins is None or weights.routers != "task":
        return {}
    return {"budget": weights.budget * steps.kept.mean()}


def mean_terms(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The terms of all frames by name, each averaged over the frames that have it."""
    return {name: term / sum(name in part for part in parts) for name, term in sum_terms(parts).items()}


def router_loss(losses: Tensor, steps: Refinement, budget: float) -> Tensor:
    """Cross-entropy of the routers with "the layer saves more than the budget", weighed by how clear it is.

    Its minimum is the choice of least loss where the gain is uncertain, too: the weights are what a wrong
    choice costs.

    Args:
        losses: (B, 1 + L) of each frame, in front of the L layers and behind each, kept or not.
        steps: the frames' way through the decoder.
        budget: what a layer must save.
    """
    assert steps.margins is not None
    current, gains = losses[:, 0], []
    for behind, kept in zip(losses[:, 1:].unbind(1), steps.kept.unbind(1)):
        gains.append(current - behind)
        current = torch.where(kept > 0, behind, current)
    surplus = torch.stack(gains, dim=1) - budget
    entropy = F.binary_cross_entropy_with_logits(
        steps.margins.float(), (surplus > 0).float(), reduction="none"
    )
    return (surplus.abs() * entropy).mean()
