"""What a user chooses from by name, and the numbers that a choice is tuned by.

Choices, help, options and error lists are made from tables of ``Choice``. Implementations are named, not
imported, so that the command line can list them without NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, TypeVar

from mobilevis.runtime.errors import suggest


@dataclass(frozen=True)
class Option:
    """A number that a choice is tuned by.

    Attributes:
        name: an identifier, the option's name for users.
        default: a whole number where only whole numbers make sense.
        least: the smallest value.
        most: the greatest value.
    """

    name: str
    default: Any
    least: float
    most: float = math.inf

    def check(self, value: float) -> None:
        """Refuse a value out of range.

        Raises:
            ValueError: says the range.
        """
        if not self.least <= value <= self.most:
            least, most = f"{self.least:g}", f"{self.most:g}"
            bounds = f"{least} or more" if math.isinf(self.most) else f"in [{least}, {most}]"
            raise ValueError(f"{self.name} is {value}, it must be {bounds}")


@dataclass(frozen=True)
class Choice:
    """One entry of a table.

    Attributes:
        description: in words, without an article.
        implementation: ``module:name``, (an argument, its options by name) → what was chosen.
        options: its own.
    """

    description: str
    implementation: str
    options: tuple[Option, ...] = ()

    def create(self, argument: Any, options: Any) -> Any:
        """What was chosen.

        Args:
            argument: the implementation's own.
            options: has the choice's own options as attributes; others are left alone.
        """
        own = {option.name: getattr(options, option.name) for option in self.options}
        return resolve_name(self.implementation)(argument, **own)


AnyChoice = TypeVar("AnyChoice", bound=Choice)


def describe_choices(table: Mapping[str, Choice]) -> str:
    """Every choice in words, for help: ``slots (the paper's, …), …``."""
    return ", ".join(f"{name} ({choice.description})" for name, choice in table.items())


def find_choice(kind: str, name: str, table: Mapping[str, AnyChoice]) -> AnyChoice:
    """A choice by name.

    Raises:
        ValueError: there is none of this name; lists those there are.
    """
    if name not in table:
        raise ValueError(f"unknown {kind} {name}; {suggest(name, table)}")
    return table[name]
