"""Logits between their cells."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.upsampling import BLOCK, interpolate, make_line


def expected(pixels: int, cells: int, scale: float, origin: float, values: np.ndarray) -> np.ndarray:
    """Linear interpolation of (cells, n) values, (pixels, n)."""
    places = (np.arange(pixels) + 0.5 - origin) * scale - 0.5
    return np.stack([np.interp(places, np.arange(cells), column) for column in values.T], axis=1)


@given(
    seed=st.integers(0, 10_000),
    pixels=st.tuples(st.integers(1, 40), st.integers(1, 3 * BLOCK)),
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    scale=st.floats(0.02, 1.5),
    origin=st.floats(-20, 20),
)
def test_a_region_is_interpolated_as_the_whole_is(seed, pixels, cells, scale, origin):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 5, cells).astype(np.float32)
    rows, columns = (make_line(count, own, scale, origin) for count, own in zip(pixels, cells))
    down = expected(pixels[0], cells[0], scale, origin, logits)
    whole = expected(pixels[1], cells[1], scale, origin, down.T).T
    (y0, x0), (y1, x1) = (rng.integers(0, pixels), rng.integers(0, pixels))
    region = min(x0, x1), min(y0, y1), max(x0, x1) + 1, max(y0, y1) + 1
    found = interpolate(logits, rows, columns, region)
    assert np.allclose(found, whole[region[1] : region[3], region[0] : region[2]], atol=1e-4)
