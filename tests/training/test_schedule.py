from __future__ import annotations

import pytest

from mobilevis.training.schedule import cosine_decay, step_decay, with_warmup


def test_the_papers_rate_falls_tenfold_at_each_milestone() -> None:
    schedule = step_decay([210_000, 250_000])
    assert schedule(209_999) == 1
    assert schedule(210_000) == pytest.approx(0.1)
    assert schedule(250_000) == pytest.approx(0.01)


def test_cosine_starts_at_one_and_ends_at_its_final_factor() -> None:
    schedule = cosine_decay(101, final=0.05)
    assert schedule(0) == 1
    assert schedule(50) == pytest.approx(0.525)
    assert schedule(100) == pytest.approx(0.05)


def test_warmup_ramps_linearly_into_the_schedule() -> None:
    schedule = with_warmup(step_decay([20]), iterations=10, start=0.0)
    assert schedule(0) == 0
    assert schedule(5) == pytest.approx(0.5)
    assert schedule(10) == 1
    assert schedule(20) == pytest.approx(0.1)
