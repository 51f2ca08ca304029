"""The shapes that sprites are made of."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.data.synth.canvas import Canvas


@pytest.mark.parametrize("degrees", [0.0, 30.0, 45.0, 90.0, 135.0])
def test_a_turned_ellipse_keeps_its_area_and_leans_from_u_towards_v(degrees):
    canvas = Canvas(64)
    u, v, turn = canvas.u, canvas.v, np.deg2rad(degrees)
    along, across = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    inside = (along / 0.8) ** 2 + (across / 0.3) ** 2 <= 1
    drawn = canvas.ellipse((0.0, 0.0), (0.8, 0.3), degrees) > 0
    # The rim's pixels are drawn whole.
    assert np.count_nonzero(drawn != inside) < 0.05 * np.count_nonzero(inside)
