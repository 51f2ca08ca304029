"""The module that is trained: a model with the loss of its frames."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mobilevis.models.entries import StreamingModel
from mobilevis.training.objectives.matcher import Target


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
