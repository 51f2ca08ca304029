from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.overfit


def test_maxtron_vis_learns_one_clip_by_heart(overfit: Callable[..., float]) -> None:
    assert overfit("maxtron-vis-tiny", 400, clip_length=4, batch_size=1) >= 0.90


def test_maxtron_vps_learns_one_clip_by_heart(overfit: Callable[..., float]) -> None:
    """Instances alone: what no instance covers is a segment without a class."""
    ap = overfit("maxtron-vps-tiny", 500, clip_length=2, batch_size=2, objective={"background": True})
    assert ap >= 0.90
