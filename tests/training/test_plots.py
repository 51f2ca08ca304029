from __future__ import annotations

import pytest

from mobilevis.training.plots import smooth


def test_smoothing_is_the_mean_of_the_neighbours() -> None:
    values = [float(index % 2) for index in range(40)]
    assert all(abs(value - 0.5) < 0.2 for value in smooth(values))
    assert smooth([3.0] * 40) == pytest.approx([3.0] * 40)


def test_a_short_run_is_drawn_as_it_is() -> None:
    assert smooth([1.0, 5.0, 2.0]) == [1.0, 5.0, 2.0]
