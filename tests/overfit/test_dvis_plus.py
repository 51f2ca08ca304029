from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.overfit


def test_dvis_plus_learns_one_clip_by_heart(overfit: Callable[..., float]) -> None:
    assert overfit("dvis-plus-tiny", 400, clip_length=3, batch_size=1, objective={"segmenter": 1.0}) >= 0.90
