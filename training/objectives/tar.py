"""Training of temporal-aware query routing: Mask2Former's loss on clips, through straight-through routers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mobilevis.models.minvis.tar import TarMinVIS
from mobilevis.training.objectives.base import Objective, sum_terms
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.routing import RoutingLoss, hand_on, segmenter_terms, split_frames


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

    model: TarMinVIS
    weights: RoutingLoss

    def __init__(self, model: TarMinVIS, weights: RoutingLoss, length: int) -> None:
        super().__init__(model, weights, length)
        if length < 2:
            raise ValueError("routing is trained on clips: clip.length must be 2 or more")
        model.exploration = weights.exploration
        if weights.freeze_encoder:
            self.freeze(model.backbone, model.pixel_decoder)

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The terms of ``MinVISObjective``, averaged over the frames of a clip, and ``budget``."""
        previous, terms, kept = None, [], []
        batch = len(targets) // self.length
        for index, features in enumerate(split_frames(self.model, frames, self.length)):
            steps = self.model.refine(features, previous)
            own = targets[index * batch : (index + 1) * batch]
            routed = previous is not None
            terms.append(segmenter_terms(self.model, features, steps, own, self.weights, routed))
            if routed:
                kept.append(steps.kept)
            previous = hand_on(self.model, features, steps, self.weights, first=index == 0)
        means = {name: term / self.length for name, term in sum_terms(terms).items()}
        return {**means, "budget": self.weights.budget * torch.stack(kept).mean()}
