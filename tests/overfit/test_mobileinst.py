from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.overfit


def test_mobileinst_learns_one_clip_by_heart(overfit: Callable[..., float]) -> None:
    assert overfit("mobileinst-topformer-tiny", 400, options={"num_queries": 20, "drop_path": 0.0}) >= 0.90
