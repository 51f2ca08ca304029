"""Which of the package's extras brings a module, by the package's own metadata."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from typing import Optional

from mobilevis.runtime.formats import ENGINES

REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?.*extra == .(\w+)")


def extra_with(module: str, words: Sequence[str] = ()) -> Optional[str]:
    """The extra to install for a module that is missing; None where none brings it.

    Args:
        module: as it is imported.
        words: of the command line; an extra that is called as one of them, such as ``train``, goes first. An
            engine's own extra goes last: who asks for an engine is answered by ``formats.missing_engine``.
    """
    packages: dict[str, set[str]] = {}
    for requirement in importlib.metadata.requires("mobilevis") or ():
        if match := REQUIREMENT.match(requirement):
            name, nested, extra = match.groups()
            brought = packages.setdefault(extra, set())
            brought.update(nested.split(",") if name == "mobilevis" and nested else [_plain(name)])
    found = [extra for extra in packages if _plain(module) in _all_of(extra, packages)]
    named = [extra for extra in found if extra in words]
    return next(iter([*named, *sorted(found, key=lambda extra: extra in ENGINES)]), None)


def _all_of(extra: str, packages: dict[str, set[str]]) -> set[str]:
    """The packages of an extra, and of the extras in it."""
    own = packages.get(extra, set())
    return own.union(*(_all_of(inner, packages) for inner in own if inner in packages and inner != extra))


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
