"""AP of the light mask decoder and of its teacher, which ``bench accuracy --metric ytvis --json`` wrote."""

from __future__ import annotations

from .records import RESULTS, format_header, format_metrics, format_row, read_record


def lite_table() -> str:
    """YouTube-VIS AP on the same videos, pupil and teacher."""
    names = ("AP", "AP50", "AP75")
    rows = []
    for file in sorted((RESULTS / "lite").glob("ytvis_*.json")):
        record = read_record(file)
        figures = format_metrics(record["metrics"], names)
        rows.append(format_row(f"`{record['artefact']['model']}`", *figures))
    return format_header("model", *names) + "".join(rows)
