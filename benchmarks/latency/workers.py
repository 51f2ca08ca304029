"""The programs that measure on a device, and which of them a device can run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from mobilevis.benchmarks.latency.android import find_obstacle, make_android_worker
from mobilevis.benchmarks.latency.bundle import build_worker
from mobilevis.benchmarks.latency.session import Worker, python_worker
from mobilevis.benchmarks.latency.transports.base import Transport


@dataclass(frozen=True)
class WorkerKind:
    """One such program.

    Attributes:
        description: in words, without an article.
        find_obstacle: device → why it cannot run there, or None.
        make: (device, a folder here) → the program.
    """

    description: str
    find_obstacle: Callable[[Transport], Optional[str]]
    make: Callable[[Transport, Path], Worker]


def _python_obstacle(transport: Transport) -> Optional[str]:
    found = transport.run(["sh", "-c", 'command -v "$1"', "sh", transport.python]).status == 0
    return None if found else f"no {transport.python} there"


WORKERS = {
    "python": WorkerKind(
        "for boards and phones with Python",
        _python_obstacle,
        lambda transport, folder: python_worker(build_worker(folder / "worker.pyz")),
    ),
    "android": WorkerKind("for phones as they are, in Kotlin", find_obstacle, make_android_worker),
}


def choose_worker(transport: Transport, folder: Path) -> Worker:
    """Python's worker, or Android's where a device has no Python but ``app_process``.

    Raises:
        UserError: Android's is needed and was not built.
    """
    is_android = transport.run(["sh", "-c", "command -v app_process"]).status == 0
    needs_android = is_android and _python_obstacle(transport) is not None
    return WORKERS["android" if needs_android else "python"].make(transport, folder)


def find_workers(transport: Transport) -> dict[str, Optional[str]]:
    """Worker → why it cannot run on this device, or None."""
    return {name: kind.find_obstacle(transport) for name, kind in WORKERS.items()}
