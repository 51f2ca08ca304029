"""TAR's layers and what they gain, from the records of ``mobilevis bench routing --json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional

from .records import DOCS, RESULTS, format_header, format_percent, format_row, read_record

ROUTING = RESULTS / "routing" / "minvis-tar-topformer-tiny.json"
ROUTING_STILL = {
    "160 others, static": RESULTS / "routing" / "minvis-tar-topformer-tiny_still.json",
    "320 more, static": RESULTS / "routing" / "minvis-tar-topformer-tiny_still-320.json",
}
PLOT = DOCS / "models" / "tar.png"
PACES = {0: "static", 1: "as drawn", 2: "every second frame"}


def routing_table() -> str:
    """TAR's Table 5 on our data: AP by decoder layers, at each pace; routed rows say how many were kept."""
    columns = {name: _layer_rows(ROUTING, pace) for pace, name in PACES.items()}
    columns |= {name: _layer_rows(file, 0) for name, file in ROUTING_STILL.items()}
    lines = [format_header("layers in a frame", *(f"AP, {name}" for name in columns))]
    counts = sorted({fixed for rows in columns.values() for fixed in rows if fixed is not None})
    for fixed in (*counts, None):
        cells = []
        for rows in columns.values():
            row = rows.get(fixed)
            kept = f" ({row['mean_layers']:.2f} layers)" if row is not None and fixed is None else ""
            cells.append("–" if row is None else format_percent(row["AP"]) + kept)
        lines.append(format_row("routed" if fixed is None else str(fixed), *cells))
    return "".join(lines)


def relation_table() -> str:
    """How the layers kept go with the change from frame to frame (Fig. 5)."""
    relation = read_record(ROUTING)["relation"]
    header = ["change of the frame", *(f"{group['change']:.3g}" for group in relation["by_change"])]
    layers = ["layers kept", *(f"{group['layers']:.2f}" for group in relation["by_change"])]
    correlation = f"Rank correlation of the two over all frames: {relation['rank_correlation']:+.2f}.\n"
    return f"{format_header(*header)}{format_row(*layers)}\n{correlation}"


def _layer_rows(file: Path, pace: int) -> dict[Optional[int], dict[str, Any]]:
    return {row["fixed_layers"]: row for row in read_record(file)["rows"] if row["pace"] == pace}


def draw_routing(path: Path) -> None:
    """Plot Fig. 5's relation, layers against change; the picture carries its data as text."""
    from matplotlib.figure import Figure

    relation = read_record(ROUTING)["relation"]
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    groups = relation["by_change"]
    axes.plot([group["change"] for group in groups], [group["layers"] for group in groups], marker="o")
    axes.set(
        xscale="log", xlabel="mean squared RGB difference of adjacent frames", ylabel="decoder layers kept"
    )
    axes.set_ylim(0, 9.5)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120, metadata={"Description": json.dumps(relation)})
