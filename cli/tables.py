"""The one look of the tables that the command line prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def make_table(title: str, left: Sequence[str], right: Sequence[str] = (), **style: Any) -> Table:
    """A table without rows.

    Args:
        title: stands above, on the left.
        left: columns of text.
        right: columns of numbers, after them.
        style: of ``rich.table.Table``.
    """
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", **style)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right")
    return table
