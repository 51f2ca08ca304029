"""What every objective is made of: the module that is trained, the weights of its terms, and their sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch import Tensor, nn

from mobilevis.models.entries import StreamingModel
from mobilevis.training.objectives.matcher import Target


@dataclass(frozen=True)
class LossWeights:
    """The ``[objective]`` table of a family: its fields are the table's keys.

    Raises:
        ValueError: a number is negative.
    """

    def __post_init__(self) -> None:
        negative = [key for key, value in vars(self).items() if not isinstance(value, str) and value < 0]
        if negative:
            raise ValueError(f"objective.{negative[0]} must be ≥ 0")


class Objective(nn.Module):
    """What the trainer trains: a model, and the loss that is its forward pass.

    Args:
        model: what is saved at the end; anything else in the objective is there for training only.
        weights: of the terms.
        length: F, frames of a sample.

    Attributes:
        pair_gap: where a sample is two frames of a video: how far apart at most, 0 for any distance; None
            where it is a clip.
    """

    model: Any
    weights: Any
    pair_gap: Optional[int] = None

    def __init__(self, model: StreamingModel, weights: LossWeights, length: int = 1) -> None:
        super().__init__()
        self.model = model
        self.weights = weights
        self.length = length
        self._frozen: tuple[nn.Module, ...] = ()

    def freeze(self, *modules: nn.Module) -> None:
        """Keep parts of the model as they are: their weights, and the statistics of their norms."""
        self._frozen += modules
        for module in modules:
            module.requires_grad_(False)

    def train_only(self, part: str) -> None:
        """Keep all of the model as it is but one of its children."""
        self.freeze(*(module for name, module in self.model.named_children() if name != part))

    def train(self, mode: bool = True) -> Objective:
        """Training mode of all that is not frozen."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The weighted terms of a batch, whose sum is the loss.

        Args:
            frames: (F·B, 3, H, W) float32, RGB in [0, 255]: the first frames of B clips of F frames, then the
                second ones, and so on.
            targets: F·B, in the same order; identities link the frames of a clip.
        """
        raise NotImplementedError


def sum_terms(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The terms of all parts, layers or frames, added by name; a part may lack one."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: torch.stack([part[name] for part in parts if name in part]).sum() for name in names}
