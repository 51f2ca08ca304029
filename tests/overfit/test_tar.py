from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.overfit


@pytest.mark.parametrize(
    ("name", "objective"), [("minvis-tar-tiny", {}), ("dvis-plus-tar-tiny", {"segmenter": 1.0})]
)
def test_a_routed_model_learns_one_clip_by_heart(overfit: Callable[..., float], name, objective) -> None:
    objective = {"budget": 0.5, **objective}
    assert overfit(name, 400, clip_length=3, batch_size=1, objective=objective) >= 0.90
