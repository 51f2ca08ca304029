"""Random weights that are the same every time, to try an export before training."""

from __future__ import annotations

from typing import Any

import torch

from mobilevis.models import create_model
from mobilevis.models.entries import StreamingModel


def create_seeded(name: str, **config: Any) -> StreamingModel:
    """``create_model`` with seed 0, so that exports of random weights can be compared."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_model(name, **config)
