"""The module that is trained: a model with the loss of its frames."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mobilevis.models.entries import StreamingModel
from mobilevis.models.mobileinst.mobileinst import MobileInst, MobileInstOutput
from mobilevis.training.config import LossConfig
from mobilevis.training.criterion import frame_losses
from mobilevis.training.matcher import Assignment, Target
from mobilevis.training.semantic import QueryClassHead, SemanticHead


class Objective(nn.Module):
    """What the trainer trains: a model, and the loss that is its forward pass.

    Attributes:
        model: what is saved at the end; anything else in the objective is there for training only.
    """

    model: StreamingModel

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The weighted terms of a batch, whose sum is the loss.

        Args:
            frames: (F·B, 3, H, W) float32, RGB in [0, 255]: the first frames of B clips of F frames, then the
                second ones, and so on.
            targets: F·B, in the same order; identities link the frames of a clip.
        """
        raise NotImplementedError


class FrameObjective(Objective):
    """The training loss of single frames (Eq. 3), and of the semantic head if its weight is above 0.

    Args:
        model: the network.
        weights: of the terms.
    """

    def __init__(self, model: MobileInst, weights: LossConfig) -> None:
        super().__init__()
        self.model: MobileInst = model
        self.weights = weights
        self.semantic_head = SemanticHead(model.dim, model.num_classes) if weights.semantic else None
        self.query_head = QueryClassHead(model.dim, model.num_classes) if weights.query_classes else None

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """(B, 3, H, W) frames and B targets to the weighted terms, whose sum is the loss."""
        return self.frame_terms(frames, targets)[0]

    def frame_terms(
        self, frames: Tensor, targets: Sequence[Target]
    ) -> tuple[dict[str, Tensor], MobileInstOutput, list[Assignment]]:
        """The weighted terms, with the model's output and the assignments that they came from."""
        outputs = self.model(frames)
        terms, assignments = frame_losses(outputs, targets, self.weights)
        if self.semantic_head is not None:
            terms["semantic"] = self.weights.semantic * self.semantic_head(outputs.mask_features, targets)
        if self.query_head is not None:
            loss = self.query_head(outputs.queries, outputs.mask_logits, targets)
            terms["query_classes"] = self.weights.query_classes * loss
        return terms, outputs, assignments
