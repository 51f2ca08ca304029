"""Ctrl-C, ``kill`` and a closed terminal: what is running finishes its files or removes them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Optional

from mobilevis.runtime.errors import UserError

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class StoppedError(UserError):
    """A signal ended a stream; the exit code is the shell's, 128 and the signal's number."""

    def __init__(self, number: int, source: str, frames: int) -> None:
        what = f"stopped by {signal.Signals(number).name} after {frames} frames"
        super().__init__(what, source, "the outputs hold them" if frames else "nothing was written")
        self.exit_code = 128 + number


@dataclass
class StopRequest:
    """The first signal that came; None until then."""

    number: Optional[int] = None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Note the first signal, for the caller to end in order; the second is a ``KeyboardInterrupt``."""
    request = StopRequest()

    def note(number: int, _: Optional[FrameType]) -> None:
        if request.number is not None:
            raise KeyboardInterrupt
        request.number = number

    with handled((signal.SIGINT, *ENDING), note):
        yield request


@contextmanager
def interrupt_on_signals() -> Iterator[StopRequest]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, so that it cleans up behind itself."""
    request = StopRequest()

    def interrupt(number: int, _: Optional[FrameType]) -> None:
        request.number = number
        raise KeyboardInterrupt

    with handled(ENDING, interrupt):
        yield request


@contextmanager
def handled(numbers: tuple[int, ...], handler: Any) -> Iterator[None]:
    """Install a handler in the main thread; a signal that the caller of the process ignores stays ignored."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
