"""TAR's layers and what they gain, from the records of ``mobilevis bench routing --json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional

from .records import DOCS, RESULTS, format_header, format_percent, format_row, read_record

ROUTING = RESULTS / "routing" / "minvis-tar-topformer-tiny.json"
PLOT = DOCS / "models" / "tar.png"
PACES = {0: "still", "mixed": "still and moving in turn", 1: "as drawn", 2: "every second frame"}


def routing_table() -> str:
    """TAR's Tables 1 and 5 on our data: AP by decoder layers at each pace, and of models without TAR."""
    files = sorted(ROUTING.parent.glob("*.json"))  # of the same videos
    rows = [row for file in files for row in read_record(file)["rows"]]
    found = {(_name(row), row["pace"]): row for row in rows}
    names = sorted({name for name, _ in found}, key=lambda name: (name.isdigit(), name == "routed", name))
    lines = [format_header("layers in a frame", *(f"AP, {pace}" for pace in PACES.values()))]
    for name in names:
        cells = [_cell(found.get((name, pace)), shows_layers=name == "routed") for pace in PACES]
        lines.append(format_row(f"fixed: {name}" if name.isdigit() else name, *cells))
    return "".join(lines)


def relation_table() -> str:
    """How the layers kept go with the change from frame to frame (Fig. 5)."""
    relation = read_record(ROUTING)["relation"]
    header = ["change of the frame", *(f"{group['change']:.3g}" for group in relation["by_change"])]
    layers = ["layers kept", *(f"{group['layers']:.2f}" for group in relation["by_change"])]
    correlation = f"Rank correlation of the two over all frames: {relation['rank_correlation']:+.2f}.\n"
    return f"{format_header(*header)}{format_row(*layers)}\n{correlation}"


def _name(row: dict[str, Any]) -> str:
    return str(row.get("against") or row["fixed_layers"] or "routed")


def _cell(row: Optional[dict[str, Any]], shows_layers: bool) -> str:
    if row is None:
        return "–"
    return format_percent(row["AP"]) + (f" ({row['mean_layers']:.2f} layers)" if shows_layers else "")


def draw_routing(path: Path) -> None:
    """Plot Fig. 5's relation, layers against change; the picture carries its data as text."""
    from matplotlib.figure import Figure

    relation = read_record(ROUTING)["relation"]
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    groups = relation["by_change"]
    axes.plot([group["change"] for group in groups], [group["layers"] for group in groups], marker="o")
    axes.set(
        xscale="symlog", xlabel="mean squared RGB difference of adjacent frames", ylabel="decoder layers kept"
    )
    axes.set_ylim(0, 9.5)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120, metadata={"Description": json.dumps(relation)})
