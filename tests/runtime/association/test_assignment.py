"""No assignment has a larger sum than the one found."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import linear_sum_assignment

from mobilevis.runtime.association.assignment import assign, assign_gains

# Few values and many alike among them: ties, zeros and rows that differ by a constant.
values = st.sampled_from([-2.0, -1.0, 0.0, 0.0, 0.25, 0.5, 1.0]) | st.floats(-1, 1, width=32)
small = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6)


def best_sum(gains: np.ndarray) -> float:
    """By trying all."""
    if len(gains) > gains.shape[1]:
        gains = gains.T
    rows = np.arange(len(gains))
    return max(
        gains[rows, list(columns)].sum() for columns in permutations(range(gains.shape[1]), len(gains))
    )


@given(arrays.arrays(np.float32, small, elements=values))
def test_assignments_are_optimal(gains):
    rows, columns = assign(gains)
    assert len(set(rows)) == len(set(columns)) == len(rows) == min(gains.shape)
    exact = gains.astype(np.float64)
    assert exact[rows, columns].sum() == pytest.approx(best_sum(exact), abs=1e-9)


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2, max_side=100), elements=values))
def test_large_assignments_are_as_good_as_scipys(gains):
    expected = gains[linear_sum_assignment(gains, maximize=True)].sum()
    assert gains[assign(gains)].sum() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_assigned_to_nothing(shape):
    rows, columns = assign(np.zeros(shape, dtype=np.float32))
    assert rows.size == columns.size == 0


@given(arrays.arrays(np.float64, small, elements=values), st.booleans())
def test_pairs_that_gain_are_those_of_an_optimal_assignment(gains, may_lose):
    gains = gains if may_lose else np.maximum(gains, 0.0)
    rows, columns = assign_gains(gains)
    assert len(set(rows)) == len(set(columns)) == len(rows)
    assert (gains[rows, columns] > 0.0).all()
    every = gains[assign(gains)]
    assert gains[rows, columns].sum() == pytest.approx(every[every > 0.0].sum(), abs=1e-9)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 3)])
def test_where_nothing_gains_nothing_is_assigned(shape):
    rows, columns = assign_gains(np.zeros(shape))
    assert rows.size == columns.size == 0
