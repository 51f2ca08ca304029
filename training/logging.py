"""The record of a run: a CSV file and TensorBoard events, of one process alone."""

from __future__ import annotations

import csv
import fcntl
import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Optional

from mobilevis.runtime.errors import UserError, missing_extra
from mobilevis.runtime.files import atomic_path, disk_errors, file_exists
from mobilevis.runtime.reading import read_bounded

LOG_FILE = "log.csv"
VALIDATION_FILE = "validation.csv"
MAX_LOG_BYTES = 1 << 28  # 100 bytes a row: a run of 50 million iterations
ITERATION = "iteration"  # the first column of both
LOCK_FILE = ".lock"


class RunLog:
    """Appends rows of scalars to ``log.csv`` or ``validation.csv``, and to TensorBoard's events.

    Args:
        folder: the run's folder.
        iteration: completed iterations: rows beyond them, of a run that was killed, are dropped.

    Use as a context manager.

    Raises:
        UserError: another process trains in the folder, a new run would replace the log of an earlier one, or
            the folder cannot be written.
    """

    def __init__(self, folder: Path, iteration: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise missing_extra("tensorboard", "train") from error
        self.folder = folder
        with ExitStack() as opened, disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = opened.enter_context((folder / LOCK_FILE).open("w"))
            _lock(self._lock, folder)
            if read_log(folder) and not iteration:
                raise earlier_run(folder)
            _drop_rows_beyond(iteration, folder, LOG_FILE)
            if (folder / VALIDATION_FILE).exists():
                _drop_rows_beyond(iteration, folder, VALIDATION_FILE)
            self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=iteration + 1)
            opened.pop_all()

    def write(self, iteration: int, values: Mapping[str, float], file: str = LOG_FILE) -> None:
        """Add one row; every row of a file has the same names."""
        row, path = {ITERATION: iteration, **values}, self.folder / file
        prefix = "" if file == LOG_FILE else "validation/"
        with disk_errors(path):
            with path.open("a", newline="", encoding="utf-8") as stream:
                stream.write(_as_csv([row], header=path.stat().st_size == 0))
            for name, value in values.items():
                self._events.add_scalar(prefix + name, value, iteration)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._lock.close()
        with disk_errors(self.folder):
            self._events.close()


def _drop_rows_beyond(iteration: int, folder: Path, name: str) -> None:
    rows = [row for row in read_log(folder, name) if row[ITERATION] <= iteration]
    with atomic_path(folder / name) as temporary:
        temporary.write_text(_as_csv(rows), "utf-8")


def _lock(file: io.TextIOBase, folder: Path) -> None:
    """Hold the file until it is closed; the system releases it when the process is killed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        fix = "wait for its end, or choose another folder: --set run.output=FOLDER"
        raise UserError("another run trains here", folder, fix) from error


def earlier_run(folder: Path) -> UserError:
    """The error for a new run in the folder of an earlier one."""
    fix = "go on with --resume, or choose another folder: --set run.output=FOLDER"
    return UserError("holds an earlier run", folder, fix)


def _as_csv(rows: Sequence[Mapping[str, float]], header: bool = True) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    if header and rows:
        writer.writeheader()
    writer.writerows({name: f"{value:.8g}" for name, value in row.items()} for row in rows)
    return text.getvalue()


def read_log(folder: Path, name: str = LOG_FILE) -> list[dict[str, float]]:
    """The rows of a run's log, oldest first; none where there is no log yet.

    A power cut or a full disk can leave a last line that is cut off, or NULs: such lines are left out.

    Raises:
        UserError: the log cannot be read.
    """
    path = folder / name
    content = read_bounded(path, MAX_LOG_BYTES, "check the folder") if file_exists(path) else b""
    text = content.decode("utf-8", errors="replace")
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n") and "\0" not in line]
    names, *cells = list(csv.reader(lines)) or [[]]
    return [dict(zip(names, row)) for row in map(_as_numbers, cells) if len(row) == len(names)]


def _as_numbers(cells: Sequence[str]) -> list[float]:
    """The numbers of a line; none where one of its cells is not a number."""
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return []
