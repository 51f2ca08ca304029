from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.overfit


def test_minvis_learns_one_clip_by_heart(overfit: Callable[..., float]) -> None:
    assert overfit("minvis-tiny", 400) >= 0.90
