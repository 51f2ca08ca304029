"""How many threads NumPy's products take."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def limit_blas(threads: int) -> AbstractContextManager[Any]:
    """Let BLAS compute on so many threads for the body of a ``with`` statement (0.1 ms).

    Left alone, it takes every core, and its threads spin for each other: with the other core busy, the
    product of 20 masks with the mask features took 140 ms on two threads and 0.7 on one. The count is the
    whole process's: it is set for a frame at a time, and the caller has his own back between frames. Where
    several threads ask at once, the first one's count holds (threadpoolctl 3.8; before it, the process may
    keep the smallest).
    """
    limited: AbstractContextManager[Any] = _controller().limit(limits=threads, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries, 0.4 ms
