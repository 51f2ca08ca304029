"""Wall-clock milliseconds of the stages of a frame."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Optional


class Stages:
    """A stopwatch for named stages; a stage that runs twice in a frame counts the sum."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    def __call__(self, name: str) -> _Stage:
        """Time the body of a ``with`` statement as one stage."""
        return _Stage(self.milliseconds, name)


class _Stage:
    """Eight of them a frame: by ``contextlib``'s generators they took 0.1 ms more of it."""

    __slots__ = ("_milliseconds", "_name", "_start")

    def __init__(self, milliseconds: dict[str, float], name: str) -> None:
        self._milliseconds, self._name = milliseconds, name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        elapsed = (time.perf_counter() - self._start) * 1e3
        self._milliseconds[self._name] = self._milliseconds.get(self._name, 0.0) + elapsed
