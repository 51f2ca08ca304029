"""What ``train`` shows while it runs: a bar in a terminal, a line a minute anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:
    from mobilevis.training.trainer import StepReport, Trainer
    from mobilevis.training.validation import ValidationReport

SECONDS_BETWEEN_LINES = 60.0


class Pace:
    """How fast a run goes, over all its steps since it was started or resumed.

    Args:
        start: completed iterations at the beginning.
        now: the time in seconds.
    """

    def __init__(self, start: int, now: float) -> None:
        self._start, self._since = start, now

    def describe(self, iteration: int, end: int, now: float) -> str:
        """Iterations a second and the time left, such as ``2.50 it/s 0:01:20 left``."""
        done, seconds = iteration - self._start, now - self._since
        if done <= 0 or seconds <= 0:
            return ""
        left = timedelta(seconds=round((end - iteration) * seconds / done))
        return f"{done / seconds:.2f} it/s {left} left"


class Shown(Protocol):
    """What a run tells of itself; the losses one by one are in ``log.csv``."""

    def step(self, report: StepReport) -> None:
        """Show that a step is done."""
        ...

    def validation(self, report: ValidationReport) -> None:
        """Show the figures of a validation, in a line that stays."""
        ...

    def items(self, items: Sequence[Any]) -> Iterable[Any]:
        """The images or videos of a validation; shows how many are done."""
        ...


@contextmanager
def show_progress(console: Console, trainer: Trainer) -> Iterator[Shown]:
    """What to call while a run goes on."""
    pace = Pace(trainer.state.iteration, time.monotonic())
    if not console.is_terminal:
        yield _Lines(console, pace)
        return
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[pace]}"), console=console, transient=True) as progress:
        yield _Bar(progress, pace, trainer)


class _Bar:
    def __init__(self, progress: Progress, pace: Pace, trainer: Trainer) -> None:
        self._progress, self._pace = progress, pace
        done = trainer.state.iteration
        self._task = progress.add_task("loss", total=trainer.end, completed=done, pace="")

    def step(self, report: StepReport) -> None:
        told = self._pace.describe(report.iteration, report.iterations, time.monotonic())
        loss = f"loss {report.values['loss']:.3f}"
        self._progress.update(self._task, completed=report.iteration, description=loss, pace=told)

    def validation(self, report: ValidationReport) -> None:
        self._progress.console.print(describe_validation(report), soft_wrap=True)

    def items(self, items: Sequence[Any]) -> Iterable[Any]:
        task = self._progress.add_task("validation", total=len(items), pace="")
        for item in items:
            yield item
            self._progress.advance(task)
        self._progress.remove_task(task)


class _Lines:
    def __init__(self, console: Console, pace: Pace) -> None:
        self._console, self._pace = console, pace
        self._last = time.monotonic()

    def step(self, report: StepReport) -> None:
        place = f"iteration {report.iteration} of {report.iterations}, loss {report.values['loss']:.3f}"
        now = time.monotonic()
        self._print_at_times(f"{place}, {self._pace.describe(report.iteration, report.iterations, now)}")

    def validation(self, report: ValidationReport) -> None:
        self._console.print(describe_validation(report), soft_wrap=True)

    def items(self, items: Sequence[Any]) -> Iterable[Any]:
        for number, item in enumerate(items, start=1):
            yield item
            self._print_at_times(f"validation: {number} of {len(items)}")

    def _print_at_times(self, line: str) -> None:
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self._console.print(line, soft_wrap=True)


def describe_validation(report: ValidationReport) -> str:
    """Such as ``iteration 500: AP 0.212, AP50 0.401 (the best so far)``."""
    figures = ", ".join(f"{name} {value:.3f}" for name, value in report.figures.items())
    return f"iteration {report.iteration}: {figures}" + " (the best so far)" * report.is_best
