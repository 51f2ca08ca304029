"""Training of temporal-aware query routing: Mask2Former's loss on clips, and what teaches the routers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from mobilevis.models.minvis.tar import TarMinVIS
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.identities import IdentityAssigner, read_identities
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.routing import (
    RoutingLoss,
    budget_term,
    hand_on,
    mean_terms,
    segmenter_terms,
    split_frames,
)


@dataclass(frozen=True)
class TarLoss(RoutingLoss):
    """Weights of the loss.

    Attributes:
        keep_identities: an object that a clip has shown keeps its query in the frames that follow, as
            DVIS++'s training has it; otherwise each frame is matched anew, and nothing teaches a query that
            is handed on to stay with its object. The paper is silent.
        routers_only: keep all else as it is.
    """

    keep_identities: bool = False
    routers_only: bool = False


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
    weights: TarLoss

    def __init__(self, model: TarMinVIS, weights: TarLoss, length: int) -> None:
        super().__init__(model, weights, length)
        if length < 2:
            raise ValueError("routing is trained on clips: clip.length must be 2 or more")
        weights.prepare(model)
        if weights.freeze_encoder:
            self.freeze(model.backbone, model.pixel_decoder)
        if weights.routers_only:
            self.train_only("routers")

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The terms of ``MinVISObjective``, and the routers' one, averaged over the frames that have them."""
        previous, terms = None, []
        batch = len(targets) // self.length
        assigner, names = IdentityAssigner(batch), read_identities(targets)
        for index, features in enumerate(split_frames(self.model, frames, self.length)):
            chosen = slice(index * batch, (index + 1) * batch)
            steps = self.model.refine(features, previous)
            keep = partial(assigner.assign, identities=names[chosen])
            keeps = keep if self.weights.keep_identities else None
            own = segmenter_terms(self.model, features, steps, targets[chosen], self.weights, keeps)
            terms.append(own | budget_term(steps, self.weights))
            if index + 1 < self.length:
                previous = hand_on(self.model, features, steps, self.weights)
        return mean_terms(terms)
