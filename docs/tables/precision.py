"""The table of precisions, as ``mobilevis.export.precision`` holds it."""

from __future__ import annotations

from mobilevis.export.precision import PRECISIONS

from .records import format_header, format_row


def precision_table() -> str:
    """What each precision stores, and what it keeps in float32."""
    rows = [
        format_row(name, row.description, kept, why)
        for name, row in PRECISIONS.items()
        for kept, why in (row.kept or {"everything": "–"}).items()
    ]
    return format_header("precision", "what it is", "kept in float32", "why") + "".join(rows)
