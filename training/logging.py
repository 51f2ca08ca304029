"""The record of a run: a CSV file and TensorBoard events."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from mobilevis.runtime.errors import missing_extra

LOG_FILE = "log.csv"


class RunLog:
    """Appends rows of scalars to ``log.csv`` and to TensorBoard events in ``tensorboard/``.

    Args:
        folder: the run's folder.
        iteration: completed iterations: rows beyond them, of a run that was killed, are dropped.

    Use as a context manager.
    """

    def __init__(self, folder: Path, iteration: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise missing_extra("tensorboard", "train") from error
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / LOG_FILE
        kept = [row for row in read_log(folder) if row["iteration"] <= iteration] if iteration else []
        self._path.unlink(missing_ok=True)
        for row in kept:
            self._append(row)
        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=iteration + 1)

    def write(self, iteration: int, values: Mapping[str, float]) -> None:
        """Add one row; every row has the same names."""
        self._append({"iteration": iteration, **values})
        for name, value in values.items():
            self._events.add_scalar(name, value, iteration)

    def _append(self, row: Mapping[str, float]) -> None:
        new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow({name: f"{value:.8g}" for name, value in row.items()})

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.close()


def read_log(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's ``log.csv``, oldest first; none where there is no log yet."""
    path = folder / LOG_FILE
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
