"""Where the records lie, and how their figures are written in a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
RESULTS = DOCS / "results"
SYSTEMS = RESULTS / "systems"


def read_record(file: Path) -> dict[str, Any]:
    """A record that one of the commands wrote."""
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def format_row(*cells: str) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(cells)} |\n"


def format_header(*cells: str) -> str:
    """The first two rows of a Markdown table."""
    return format_row(*cells) + format_row(*["---"] * len(cells))


def format_percent(fraction: Optional[float]) -> str:
    """A fraction in percent, to one place."""
    return "not measured" if fraction is None else f"{100 * fraction:.1f}"


def format_metrics(metrics: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Some of a record's metrics in percent."""
    return [format_percent(metrics[name]) for name in names]


def group_entries(names: Iterable[str]) -> dict[str, list[str]]:
    """Entries by what they are: nine layers and eight routers are two groups, ``layer`` and ``router``."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.sub(r"_\d+$", "", name), []).append(name)
    return groups
