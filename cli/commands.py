"""How a command shows itself: flags without a type, and examples under the options."""

from __future__ import annotations

from typing import Any, Callable, Optional

import typer
from typer.core import TyperCommand, TyperGroup


def _without_types(params: list[Any]) -> list[Any]:
    """Typer writes <bool> beside a flag, which takes no value, and <path> beside an argument's name."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
        elif param.param_type_name == "argument":
            param.display_type_rich = lambda ctx: None
    return params


class Command(TyperCommand):
    """A command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its arguments and options."""
        return _without_types(super().get_params(ctx))


class Group(TyperGroup):
    """A command with sub-commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options."""
        return _without_types(super().get_params(ctx))


def add_command(app: typer.Typer, name: Optional[str], function: Callable[..., None], *examples: str) -> None:
    """Register a command with examples: what follows ``mobilevis`` on a line that works."""
    lines = [f"[dim]$[/] mobilevis {example}" for example in examples]
    app.command(name, cls=Command, epilog="\n\n".join(["Examples:" if lines[1:] else "Example:", *lines]))(
        function
    )
