"""Checks that the families' configurations share; each error lists what is known."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def check_known(key: str, value: Any, names: Collection[str]) -> None:
    """Raise ValueError, which lists the known names, unless the value is one of them."""
    if value not in names:
        raise ValueError(f"{key} {value!r} is not known; known are {', '.join(names)}")


def check_positive(key: str, value: Any) -> None:
    """Raise ValueError unless the value is a positive integer."""
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{key} {value!r} is not a positive integer")
