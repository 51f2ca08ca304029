"""Training of DVIS++'s referring tracker on clips (Zhang et al., 2023), as it runs: frame after frame.

An object is matched to a query in the first frame that shows it, by the tracker's own prediction, and keeps
that query for the rest of the clip. The queries that the client's matching gives are disturbed at times, so
that the tracker learns to trust its state more than the matching (denoising training, DVIS++ §3.3). The
contrastive loss of DVIS++, an auxiliary on the segmenter's embeddings, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor

from mobilevis.models.minvis.dvis_plus import DvisPlus, Tracked
from mobilevis.models.minvis.minvis import Features, Refinement
from mobilevis.models.minvis.tar import TemporalRouting
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.identities import IdentityAssigner, read_identities
from mobilevis.training.objectives.mask2former import compute_terms, join_outputs, match_costs
from mobilevis.training.objectives.matcher import Target, match_slots, pad_targets
from mobilevis.training.objectives.routing import (
    RoutingLoss,
    budget_term,
    hand_on,
    mean_terms,
    segmenter_terms,
    split_frames,
)


@dataclass(frozen=True)
class DvisPlusLoss(RoutingLoss):
    """Weights of the loss.

    Attributes:
        segmenter: of the segmenter's own terms; 0 freezes it, as the paper does.
        noise: probability that a frame's matched queries are disturbed.
    """

    segmenter: float = 0.0
    noise: float = 0.5


def disturb(queries: Tensor) -> Tensor:
    """Mix each query (B, N, D) with another one by a random weight (DVIS++'s weighted average)."""
    share = torch.rand(*queries.shape[:2], 1, device=queries.device, dtype=queries.dtype)
    others = queries[:, torch.randperm(queries.shape[1], device=queries.device)]
    return share * queries + (1 - share) * others


class DvisPlusObjective(Objective):
    """Clips, frame after frame, all layers of the tracker supervised with the matching of the last.

    Args:
        model: the network, with TAR or without.
        weights: of the terms.
        length: F, frames of a clip; the paper trains on 5.

    Raises:
        ValueError: a clip has one frame only, so that nothing would be tracked.
    """

    model: DvisPlus
    weights: DvisPlusLoss

    def __init__(self, model: DvisPlus, weights: DvisPlusLoss, length: int) -> None:
        super().__init__(model, weights, length)
        if length < 2:
            raise ValueError("the tracker is trained on clips: clip.length must be 2 or more")
        if isinstance(model, TemporalRouting):
            weights.prepare(model)
        if weights.freeze_encoder or weights.segmenter == 0:
            self.freeze(model.backbone, model.pixel_decoder)
        if weights.segmenter == 0:
            self.freeze(model.decoder)

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Terms of the tracker, of the segmenter and of the routers, averaged over the frames of a clip."""
        batch = len(targets) // self.length
        assigner = IdentityAssigner(batch)
        names = read_identities(targets)
        previous: Optional[Tensor] = None
        slots, tracked, terms = None, None, []
        for index, features in enumerate(split_frames(self.model, frames, self.length)):
            own = targets[index * batch : (index + 1) * batch]
            steps = self.model.refine(features, previous)
            tracked, slots = self._track(steps.queries[-1], slots, tracked)
            layers = self.model.predict_tracked(tracked, features.mask_features)
            instances = pad_targets(own)
            costs = match_costs(layers[-1], instances, self.weights).cpu().numpy()
            found = compute_terms(
                join_outputs(layers),
                instances,
                [assigner.assign(costs, names[index * batch : (index + 1) * batch])] * len(layers),
                self.weights,
            )
            frame = {f"tracker_{name}": term for name, term in found.items()}
            frame |= self._segmenter_terms(features, steps, own)
            if index + 1 < self.length:
                previous = hand_on(self.model, features, steps, self.weights)
            terms.append(frame)
        return mean_terms(terms)

    def _segmenter_terms(
        self, features: Features, steps: Refinement, targets: Sequence[Target]
    ) -> dict[str, Tensor]:
        """The segmenter's terms, weighed, and its routers', which may learn while the segmenter is frozen."""
        weights = self.weights
        terms = budget_term(steps, weights)
        if weights.segmenter or (steps.margins is not None and weights.routers == "gain"):
            terms |= segmenter_terms(self.model, features, steps, targets, weights)
        unweighed = ("budget", "routers")
        return {name: term if name in unweighed else weights.segmenter * term for name, term in terms.items()}

    def _track(
        self, queries: Tensor, slots: Optional[Tensor], last: Optional[Tracked]
    ) -> tuple[Tracked, Tensor]:
        """One frame of the tracker, and the embeddings of its objects."""
        tracker = self.model.tracker
        embeddings = self.model.decoder.embeddings(queries).detach()
        if slots is None or last is None:
            return tracker.begin(queries), embeddings
        order = match_slots(slots, embeddings)[..., None]
        matched = queries.gather(1, order.expand_as(queries))
        if torch.rand(()) < self.weights.noise:
            matched = disturb(matched)
        slots = embeddings.gather(1, order.expand_as(embeddings))
        return tracker.track(matched, queries, last.layers[-1]), slots
