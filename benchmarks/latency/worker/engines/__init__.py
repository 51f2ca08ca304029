"""What the harness needs of an engine beyond artefacts, in a module that is called as the engine.

A module may have ``open_plain(path, threads) -> PlainModel`` and
``profile(path, entry, inputs, threads) -> Operators``; an engine without them is refused in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any, Callable, Optional

Operators = list[dict[str, Any]]
PROFILED_RUNS = 20


class NotAvailableError(Exception):
    """The engine, as installed, has no profiler."""


def find_function(engine: str, name: str) -> Optional[Callable[..., Any]]:
    """A function of an engine's module here; None where the engine has no such function or no module."""
    module = f"{__name__}.{engine}"
    return getattr(import_module(module), name, None) if find_spec(module) else None


def median_operators(nodes: Mapping[tuple[str, str], list[float]]) -> Operators:
    """(type, name) → milliseconds of each run, as rows with the median."""
    return [
        {"type": kind, "name": name, "milliseconds": median(values)} for (kind, name), values in nodes.items()
    ]
