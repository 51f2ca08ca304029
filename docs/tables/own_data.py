"""What few pictures teach: docs/results/own_data/.

``before.json`` and ``artefact.json`` are of ``mobilevis bench accuracy``, ``like.csv`` is the run's
``validation.csv``.
"""

from __future__ import annotations

import csv

from .records import RESULTS, format_header, format_metrics, format_percent, format_row, read_record

OWN = RESULTS / "own_data"
KEYS = ("AP", "AP50", "AP75")
BATCH = 8  # frames a step


def own_data_table() -> str:
    """AP on the held-out pictures, step by step."""
    before = read_record(OWN / "before.json")["metrics"]
    lines = [format_header("steps", "frames", *KEYS)]
    lines.append(format_row("before", "0", *format_metrics(before, KEYS)))
    with (OWN / "like.csv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            step = int(row["iteration"])
            figures = (format_percent(float(row[key])) for key in KEYS)
            lines.append(format_row(str(step), f"{BATCH * step:,}", *figures))
    exported = read_record(OWN / "artefact.json")["metrics"]
    lines.append(format_row("exported", "–", *format_metrics(exported, KEYS)))
    return "".join(lines)
