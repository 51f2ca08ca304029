"""What the dataclasses of a configuration refuse."""

from __future__ import annotations

from collections.abc import Sequence


def require(condition: bool, what: str) -> None:
    """Raises ValueError, whose text is ``what``, where ``condition`` does not hold."""
    if not condition:
        raise ValueError(what)


def require_known(value: str, known: Sequence[str], what: str) -> None:
    """Raises ValueError where ``value`` is none of the known ones, which it lists."""
    require(value in known, f"unknown {what} '{value}'; known: {', '.join(known)}")
