"""What ``train`` shows while it runs: a bar in a terminal, a line a minute anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

if TYPE_CHECKING:
    from mobilevis.training.trainer import StepReport, Trainer

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


@contextmanager
def show_progress(console: Console, trainer: Trainer) -> Iterator[Callable[[StepReport], None]]:
    """The function to call after each step; the losses one by one are in ``log.csv``."""
    pace = Pace(trainer.state.iteration, time.monotonic())
    if not console.is_terminal:
        yield _line_printer(console, pace)
        return
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[pace]}"), console=console, transient=True) as progress:
        task = progress.add_task("loss", total=trainer.end, completed=trainer.state.iteration, pace="")

        def show(report: StepReport) -> None:
            told = pace.describe(report.iteration, report.iterations, time.monotonic())
            loss = f"loss {report.values['loss']:.3f}"
            progress.update(task, completed=report.iteration, description=loss, pace=told)

        yield show


def _line_printer(console: Console, pace: Pace) -> Callable[[StepReport], None]:
    last = time.monotonic()

    def show(report: StepReport) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            place = f"iteration {report.iteration} of {report.iterations}, loss {report.values['loss']:.3f}"
            told = pace.describe(report.iteration, report.iterations, now)
            console.print(f"{place}, {told}", soft_wrap=True)

    return show
