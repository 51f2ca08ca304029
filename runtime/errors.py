"""The one error that reaches a user: what is wrong, in which file, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Optional, Union

MAX_LINE = 2000  # characters of a message: what a file says of itself has no bound


class UserError(Exception):
    """A fault that the user can mend; the command line prints it as one line and exits with ``exit_code``.

    Args:
        what: what is wrong, in a few words.
        file: the file, folder or address concerned; None where there is none.
        fix: what to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, file: Optional[Union[str, Path]] = None, fix: str = "") -> None:
        self.what = what
        self.file = file
        self.fix = fix
        subject = what if file is None else f"{what} ({file})"
        super().__init__(f"{subject}: {fix}" if fix else subject)


def missing_extra(package: str, extra: str) -> UserError:
    """The error for a package that an optional part of mobilevis needs and that is not installed."""
    return UserError(f"{package} is not installed", fix=f'pip install "mobilevis[{extra}]"')


def unknown_name(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not among the known ones; see ``suggest``."""
    return UserError(f"unknown {what} {name}", fix=suggest(name, known))


def suggest(name: str, known: Iterable[str]) -> str:
    """The known name that may have been meant, or all of them where none is close.

    >>> suggest("onx", ["onnx", "pte"]), suggest("coreml", ["onnx", "pte"])
    ('did you mean onnx?', 'known are onnx, pte')
    """
    names = list(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def printable(text: object) -> str:
    """Text of unknown origin as one line that a terminal may print.

    Line ends, escape sequences and whatever else ``str.isprintable`` refuses show as Python's escapes, so
    that a file cannot write lines of ours, move the cursor or name the window.
    """
    line = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in str(text)[: MAX_LINE + 1]
    )
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"
