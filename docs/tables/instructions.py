"""Instructions on emulated ARM cores, from what ``python -m tests.arm.instructions … --json`` recorded."""

from __future__ import annotations

from .records import RESULTS, format_header, format_row, read_record

COUNTED = RESULTS / "instructions"
KEYFRAME_INTERVAL = 3


def instruction_table() -> str:
    """Millions of instructions of each entry, and of a frame where every third one is a keyframe."""
    records = [read_record(file) for file in sorted(COUNTED.glob("*.json"))]
    rows = []
    for record in records:
        counts = record["instructions"]
        frame = counts["encode"] + counts["segment"] + counts["decode"] / KEYFRAME_INTERVAL
        figures = [f"{count / 1e6:,.1f}" for count in (*counts.values(), frame)]
        rows.append(format_row(record["artefact"]["file"], record["cpu"], *figures))
    return format_header(
        "artefact", "core", *records[0]["instructions"], f"frame, T = {KEYFRAME_INTERVAL}"
    ) + "".join(rows)
