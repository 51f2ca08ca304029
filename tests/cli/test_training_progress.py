"""How a training run shows where it is."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from mobilevis.cli import training_progress
from mobilevis.cli.training_progress import Pace, show_progress
from mobilevis.training.trainer import StepReport
from mobilevis.training.validation import ValidationReport

TERMS = {"loss": 4.4241, "classes": 2.1, "dice": 1.1, "pixel": 0.4, "objectness": 0.7, "gradient_norm": 9.0}
TRAINER: Any = SimpleNamespace(state=SimpleNamespace(iteration=4000), end=270_000)


def test_the_pace_counts_from_where_the_run_was_resumed() -> None:
    pace = Pace(start=100, now=0.0)
    assert pace.describe(iteration=150, end=250, now=20.0) == "2.50 it/s 0:00:40 left"
    assert pace.describe(iteration=100, end=250, now=0.0) == ""


def test_the_bar_fits_80_columns() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with show_progress(console, TRAINER) as shown:
        shown.step(StepReport(4001, 270_000, TERMS))
    text = console.file.getvalue()
    assert "loss 4.424" in text
    assert "4001/270000" in text
    assert "left" in text


@pytest.mark.parametrize(("seconds", "lines"), [(0.0, 2), (3600.0, 0)])
def test_a_pipe_gets_a_line_at_times(monkeypatch: pytest.MonkeyPatch, seconds: float, lines: int) -> None:
    monkeypatch.setattr(training_progress, "SECONDS_BETWEEN_LINES", seconds)
    console = Console(file=io.StringIO(), width=80)
    with show_progress(console, TRAINER) as shown:
        for iteration in (4001, 4002):
            shown.step(StepReport(iteration, 270_000, TERMS))
    found = console.file.getvalue().splitlines()
    assert len(found) == lines
    assert all("of 270000, loss 4.424, " in line for line in found)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_validation_leaves_its_figures_in_a_line(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
    with show_progress(console, TRAINER) as shown:
        assert list(shown.items(["a", "b"])) == ["a", "b"]
        shown.validation(ValidationReport(4000, {"AP": 0.1234, "AP50": 0.5}, is_best=True))
        shown.validation(ValidationReport(5000, {"AP": 0.1, "AP50": 0.5}, is_best=False))
    text = console.file.getvalue()  # in a terminal between the codes that draw the bar anew
    assert "iteration 4000: AP 0.123, AP50 0.500 (the best so far)" in text
    assert "iteration 5000: AP 0.100, AP50 0.500\n" in text


def test_a_long_validation_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_progress, "SECONDS_BETWEEN_LINES", 0.0)
    console = Console(file=io.StringIO(), width=80)
    with show_progress(console, TRAINER) as shown:
        list(shown.items(["a", "b"]))
    assert console.file.getvalue().splitlines() == ["validation: 1 of 2", "validation: 2 of 2"]
