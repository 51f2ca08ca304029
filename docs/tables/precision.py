"""The tables of precisions: what ``mobilevis.export.precision`` says of each, and what was measured."""

from __future__ import annotations

from mobilevis.export.precision import PRECISIONS, Kept

from .records import DOCS, format_header, format_metrics, format_row, read_record

MEASURED = DOCS / "results" / "precision"


def precision_table() -> str:
    """What each precision stores, and what it keeps in float32."""
    rows = [
        format_row(name, row.description, kept.what, kept.family or "all", kept.why)
        for name, row in PRECISIONS.items()
        for kept in row.kept or (Kept("everything", "–"),)
    ]
    columns = ("precision", "what it is", "kept in float32", "of models with the driver", "why")
    return format_header(*columns) + "".join(rows)


def computed_table() -> str:
    """Whose layers compute in a precision, and which."""
    rows = [
        format_row(name, family, ", ".join(f"`{pattern}`" for pattern in patterns))
        for name, row in PRECISIONS.items()
        for family, patterns in row.computed.items()
    ]
    return format_header("precision", "driver", "layers") + "".join(rows)


def precision_ap_table(metric: str) -> str:
    """AP of artefacts by precision and engine.

    Args:
        metric: ``coco``, of the starter, or ``ytvis``, of the kernel model whose weights ship.
    """
    names = ("AP", "AP50", "AP75")
    rows = []
    for file in sorted(MEASURED.glob(f"{metric}_*.json")):
        record = read_record(file)
        artefact = record["artefact"]
        figures = format_metrics(record["metrics"], names)
        rows.append(format_row(artefact["precision"], artefact["engine"], *figures))
    return format_header("precision", "engine", *names) + "".join(rows)
