from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.overfit

SMALL = {
    "dim": 32,
    "heads": 2,
    "hidden": 64,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_queries": 8,
    "points": 2,
    "temporal_points": 2,
}


def test_taformer_learns_one_clip_by_heart(overfit: Callable[..., float]) -> None:
    """The video of eight frames is one clip, in training as in the test."""
    ap = overfit(
        "taformer-tiny",
        600,
        clip_length=8,
        batch_size=1,
        learning_rate=2e-3,
        options=SMALL,
        objective={"contrastive": 1.0},
        export_options={"clip_length": 8, "max_instances": 8},
    )
    assert ap >= 0.90
