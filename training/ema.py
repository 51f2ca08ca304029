"""Exponential moving average of a model's weights: what is evaluated and shipped."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """A running average of a model's parameters and batch-norm statistics.

    Args:
        model: the model to follow; the average starts as a copy of it.
        decay: weight of the old average in each update, in (0, 1). The first updates use (1 + n) / (10 + n)
            where that is less, so that a short run does not keep its random start.

    Attributes:
        state: name → averaged tensor, with the keys of the model's ``state_dict``.
        updates: number of updates so far.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model's present weights."""
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        averaged: list[Tensor] = []
        current: list[Tensor] = []
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                averaged.append(self.state[name])
                current.append(tensor)
            else:
                self.state[name].copy_(tensor)
        torch._foreach_lerp_(averaged, current, weight)
