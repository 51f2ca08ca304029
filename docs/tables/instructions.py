"""Instructions on emulated ARM cores, from what ``python -m tests.arm.instructions … --json`` recorded."""

from __future__ import annotations

from .records import RESULTS, format_header, format_row, read_record

COUNTED = RESULTS / "instructions"


def instruction_table() -> str:
    """Millions of instructions of each entry and of a keyframe, and what part of float32's these are."""
    records = [read_record(file) for file in sorted(COUNTED.glob("*.json"))]
    keyframes = {(row["artefact"]["file"], row["cpu"]): sum(row["instructions"].values()) for row in records}
    entries = sorted({entry for record in records for entry in record["instructions"]})
    rows = []
    for record in records:
        artefact, core = record["artefact"], record["cpu"]
        keyframe = keyframes[artefact["file"], core]
        float32 = keyframes[artefact["file"].replace(f"_{artefact['precision']}", "_fp32"), core]
        counts = {**record["instructions"], "keyframe": keyframe}
        counted = [f"{counts[name] / 1e6:,.1f}" if name in counts else "–" for name in (*entries, "keyframe")]
        rows.append(format_row(artefact["file"], core, *counted, f"{keyframe / float32:.2f}"))
    columns = ("artefact", "core", *entries, "keyframe", "of float32's")
    return format_header(*columns) + "".join(rows)
