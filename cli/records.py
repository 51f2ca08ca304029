"""The JSON record of what a command measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Optional

from mobilevis.runtime.files import atomic_path
from mobilevis.runtime.outputs import check_outputs

WriteText = Callable[[str], None]


@contextmanager
def open_record(
    path: Optional[Path], inputs: Mapping[str, Optional[Path]], results: Optional[Path] = None
) -> Iterator[WriteText]:
    """Open the place of a record before the work whose figures it holds.

    Args:
        path: of ``--json``; None where none is asked for.
        inputs: what the command reads: what it is → path, None where it is not given.
        results: of ``--results``, another output.

    Yields:
        What writes the record's text; to be called once, at the end of the work.

    Raises:
        UserError: the record, or the results, would replace an input or each other, or the place cannot be
            written.
    """
    given = {name: source for name, source in inputs.items() if source is not None}
    check_outputs({"--json": path, "--results": results}, given)
    if path is None:
        yield lambda text: None
        return
    with atomic_path(path) as file:
        yield lambda text: _write(file, text)


def as_text(record: Mapping[str, Any]) -> str:
    """A record as JSON for people to read, too."""
    return json.dumps(record, indent=2, allow_nan=False)


def _write(file: Path, text: str) -> None:
    file.write_text(text + "\n", encoding="utf-8")
