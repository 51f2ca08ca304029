"""Options and arguments whose values are names of a registry: shown in help, completed by the shell.

The registries' own look-ups refuse unknown names, in one line that suggests the nearest.
"""

from __future__ import annotations

from collections.abc import Iterable
from pkgutil import resolve_name
from typing import Any, Callable

import typer

Names = Callable[[], Iterable[str]]
Complete = Callable[[str], list[str]]


def choice(*flags: str, names: Iterable[str], help: str, **more: Any) -> Any:
    """An option that takes one of the names.

    Args:
        flags: as of ``typer.Option``; by default the parameter's name.
        names: the registry, or its names.
        help: without the names, which stand before it.
        more: other arguments of ``typer.Option``.
    """
    return typer.Option(
        *flags, help=help, metavar="|".join(names), autocompletion=complete(lambda: names), **more
    )


def complete(names: Names) -> Complete:
    """A shell completion from names that are looked up when the shell asks."""

    def matching(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return matching


def complete_list(names: Names) -> Complete:
    """A shell completion of the last of several names with commas between them."""

    def matching(incomplete: str) -> list[str]:
        given, comma, last = incomplete.rpartition(",")
        return [f"{given}{comma}{name}" for name in names() if name.startswith(last)]

    return matching


def names_at(place: str) -> Names:
    """The names at ``module:attribute``, imported when asked for: a table, or a function that lists them."""

    def look_up() -> Iterable[str]:
        found = resolve_name(place)
        names: Iterable[str] = found() if callable(found) else found
        return names

    return look_up
