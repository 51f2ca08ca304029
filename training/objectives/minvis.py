"""MinVIS's training (§3.4): Mask2Former's loss on single frames, without any video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mobilevis.models.minvis.minvis import MinVIS
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.mask2former import Mask2FormerLoss, frame_terms
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.semantic import SemanticHead


@dataclass(frozen=True)
class MinVISLoss(Mask2FormerLoss):
    """Weights of the loss of single frames.

    Attributes:
        semantic: of a training-only head of ours, which names the class of each cell of the level at stride
            8, beside the summed terms of ten outputs. 0 is the paper's.
        freeze_encoder: keep backbone and pixel decoder as they are.
    """

    semantic: float = 0.0
    freeze_encoder: bool = False


class MinVISObjective(Objective):
    """Each frame on its own, every layer supervised with its own matching.

    Args:
        model: the network.
        weights: of the terms.
        length: frames of a sample; they do not know of one another.
    """

    model: MinVIS
    weights: MinVISLoss

    def __init__(self, model: MinVIS, weights: MinVISLoss, length: int = 1) -> None:
        super().__init__(model, weights, length)
        self.semantic_head = SemanticHead(model.dim, model.num_classes) if weights.semantic else None
        if weights.freeze_encoder:
            self.freeze(model.backbone, model.pixel_decoder)

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Frames in any order; identities are not looked at."""
        features = self.model.features(frames)
        queries = self.model.refine(features).queries
        joined = self.model.predict(torch.cat(queries, dim=1), features.mask_features)
        terms = frame_terms(joined, len(queries), targets, self.weights)
        if self.semantic_head is not None:
            terms["semantic"] = self.weights.semantic * self.semantic_head(features.memories[-1], targets)
        return terms
