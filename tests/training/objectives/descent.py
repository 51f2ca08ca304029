"""Steps of an objective down one of its terms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.matcher import Target

STEPS, RATE = 30, 0.02


def descend(
    objective: Objective, frames: Tensor, term: str, targets: Sequence[Target] = (), steps: int = STEPS
) -> list[float]:
    """A term's value at each step of what an objective trains, on the same frames."""
    learned = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, RATE)
    history = []
    for _ in range(steps):
        loss = objective(frames, targets)[term]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


def plain_frames() -> Tensor:
    """A dark frame and a bright one, (2, 3, 64, 128)."""
    return torch.stack([torch.full((3, 64, 128), 20.0), torch.full((3, 64, 128), 220.0)])
