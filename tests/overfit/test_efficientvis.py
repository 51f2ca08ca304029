from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.overfit

T = 4  # of efficientvis-tiny
ITERATIONS = 600


def learned(overfit: Callable[..., float], clip_length: int) -> float:
    options = {"dim": 32, "num_queries": 6}
    return overfit(
        "efficientvis-tiny",
        ITERATIONS,
        clip_length=clip_length,
        batch_size=1,
        learning_rate=2e-3,
        options=options,
    )


def test_efficientvis_learns_one_clip_by_heart(overfit: Callable[..., float]) -> None:
    """The video of eight frames is a pair of clips: correspondence learning carries the identities over."""
    assert learned(overfit, 2 * T) >= 0.90


def test_without_correspondence_learning_identities_are_lost_at_the_border_of_the_clips(
    overfit: Callable[..., float],
) -> None:
    assert learned(overfit, T) <= 0.70
