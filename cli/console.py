"""Words of files, devices and users on the terminal; and where to print beside an output."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Optional

from rich.console import Console
from rich.markup import escape

from mobilevis.runtime.errors import printable
from mobilevis.runtime.special_files import writes_to_stdout


def plain(text: object) -> str:
    """Text that Rich prints as it is: no markup in it, no escape sequences, one line."""
    return escape(printable(text))


def console_beside(outputs: Iterable[Optional[Path]]) -> Console:
    """A console on standard output, or on standard error where one of the outputs has taken that."""
    return Console(stderr=any(path is not None and writes_to_stdout(path) for path in outputs))


def print_written(console: Console, outputs: Iterable[Optional[Path]]) -> None:
    """One line a file."""
    for path in outputs:
        if path is not None and not writes_to_stdout(path):
            console.print(f"wrote {plain(path)}", soft_wrap=True)
