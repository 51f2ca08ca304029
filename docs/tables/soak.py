"""What a long stream holds, from the record of ``mobilevis bench soak --json``."""

from __future__ import annotations

from mobilevis.benchmarks.soak.record import parse_result, soak_table

from .records import RESULTS, format_header, format_row, read_record

RECORD = RESULTS / "soak" / "mobileinst-topformer-tiny_128x256.json"


def held_table() -> str:
    """Each engine's memory, descriptors and threads, early and at the end."""
    table = soak_table([parse_result(raw) for raw in read_record(RECORD)["artefacts"]])
    return format_header(*table.header) + "".join(format_row(*row) for row in table.rows)
