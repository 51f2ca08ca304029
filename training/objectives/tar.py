"""Training of temporal-aware query routing: Mask2Former's loss on clips, through straight-through routers.

The paper trains routers by the task's loss alone. A ``budget`` of ours may be added: the mean of what the
routers keep, which makes a layer go that gains less than it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevis.models.minvis.minvis import Features, MinVIS, Refinement
from mobilevis.models.minvis.tar import TarMinVIS, TemporalRouting
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.minvis import Mask2FormerLoss, frame_terms, sum_terms


@dataclass(frozen=True)
class TarLoss(Mask2FormerLoss):
    """Weights of the loss.

    Attributes:
        budget: of the share of the routed layers that run; 0 is the paper's.
        freeze_encoder: keep backbone and pixel decoder as they are, as the paper does with MinVIS's.
        rollout: a clip's first frame stands still for up to so many frames, without gradients, before the
            second follows: queries that have been handed on for long are met in training too.
        exploration: scale of the noise on the routers' scores (``add_gumbel_noise``). Without it
            a budget leaves scores at a tie, where rounding decides: within 0.1 for four of eight layers.
        final_only: of a routed frame, supervise the final queries only, with the weight of all outputs. The
            paper's sum over all outputs pays an early layer in every output after it and the last one once:
            from routers that kept the last three of nine, 300 iterations made ones that kept layers 1 to 5.
    """

    budget: float = 0.0
    freeze_encoder: bool = False
    rollout: int = 0
    exploration: float = 0.0
    final_only: bool = False


def freeze(*modules: torch.nn.Module) -> None:
    """Keep the modules' weights as they are."""
    for module in modules:
        module.requires_grad_(False)


def clip_features(model: MinVIS, frames: Tensor, length: int) -> Iterator[Features]:
    """Features of each frame of B clips, in order.

    Args:
        model: the network.
        frames: (F·B, 3, H, W), frame by frame.
        length: F.
    """
    features = model.features(frames)
    parts = [tensor.chunk(length) for tensor in features.flat()]
    for mask_features, *levels in zip(*parts):
        yield Features(mask_features, levels[:3], levels[3:])


def drawn(rollout: int) -> int:
    """How many frames a clip stands still; see ``TarLoss``."""
    return int(torch.randint(rollout + 1, ()))


def handed_on(model: MinVIS, features: Features, steps: Refinement, weights: TarLoss, first: bool) -> Tensor:
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
        return model.stand_still(features, queries, drawn(weights.rollout))
    return queries


def segmenter_terms(
    model: MinVIS,
    features: Features,
    steps: Refinement,
    targets: Sequence[Target],
    weights: TarLoss,
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
    if not (routed and weights.final_only):
        return frame_terms(model.predictions(features, steps), targets, weights)
    final = model.predict(steps.queries[-1], features.mask_features)
    return {name: len(steps.queries) * term for name, term in frame_terms([final], targets, weights).items()}


class TarObjective(Objective):
    """Clips, frame after frame; the final queries of a frame are the next one's previous ones.

    Gradients stop between frames: at run time the client holds these queries.

    Args:
        model: the network.
        weights: of the terms.
        length: F, frames of a clip; the paper trains on pairs.

    Raises:
        ValueError: a clip has one frame only, so that nothing would be routed.
    """

    def __init__(self, model: TarMinVIS, weights: TarLoss, length: int) -> None:
        super().__init__()
        if length < 2:
            raise ValueError("routing is trained on clips: clip.length must be 2 or more")
        self.model: TarMinVIS = model
        self.weights = weights
        self.length = length
        model.exploration = weights.exploration
        if weights.freeze_encoder:
            freeze(model.backbone, model.pixel_decoder)

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The terms of ``Mask2FormerObjective``, averaged over the frames of a clip, and ``budget``."""
        previous, terms, kept = None, [], []
        batch = len(targets) // self.length
        for index, features in enumerate(clip_features(self.model, frames, self.length)):
            steps = self.model.refine(features, previous)
            own = targets[index * batch : (index + 1) * batch]
            routed = previous is not None
            terms.append(segmenter_terms(self.model, features, steps, own, self.weights, routed))
            if routed:
                kept.append(steps.kept)
            previous = handed_on(self.model, features, steps, self.weights, first=index == 0)
        means = {name: term / self.length for name, term in sum_terms(terms).items()}
        return {**means, "budget": self.weights.budget * torch.stack(kept).mean()}
