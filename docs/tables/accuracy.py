"""Accuracy of the weights that ship, from the records of ``mobilevis bench accuracy --json``
(docs/results/accuracy/<weights>_<engine>_<association>_T<interval>.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .records import DOCS, RESULTS, format_header, format_metrics, format_percent, format_row, read_record

PLOT = DOCS / "accuracy.png"
EAGER, SLOTS, APPEARANCE = "pytorch", "slots", "appearance"
SHIPPED = "finer"
CURVES = {
    ("frames", SLOTS): "single frames",
    ("control", SLOTS): "then as many single frames",
    ("temporal", SLOTS): "or query passing",
    ("reuse", SLOTS): "then longer, with reuse",
    (SHIPPED, SLOTS): "then finer: ships",
    (SHIPPED, APPEARANCE): "the same, by appearance",
}

Records = dict[tuple[str, str, str, int], dict[str, Any]]
Curves = dict[str, dict[int, float]]


def accuracy_records() -> Records:
    """(weights, association, engine, keyframe interval) → the record of ``bench accuracy``."""
    found = {}
    for file in sorted((RESULTS / "accuracy").glob("*.json")):
        record = read_record(file)
        options, engine = record["options"], record["artefact"]["engine"]
        found[file.stem.split("_")[0], options["association"], engine, options["keyframe_interval"]] = record
    return found


def curves() -> Curves:
    """Name of weights and association → keyframe interval → AP in eager PyTorch."""
    found: Curves = {name: {} for name in CURVES.values()}
    for (weights, association, engine, interval), record in sorted(accuracy_records().items()):
        if engine == EAGER:
            found[CURVES[weights, association]][interval] = record["metrics"]["AP"]
    return found


def curve_table() -> str:
    """AP against the keyframe interval, for each weights and association."""
    drawn = curves()
    intervals = sorted({interval for curve in drawn.values() for interval in curve})
    lines = [format_header("trained on", *(f"T = {interval}" for interval in intervals))]
    for name, curve in drawn.items():
        lines.append(format_row(name, *(format_percent(curve.get(interval)) for interval in intervals)))
    return "".join(lines)


def engine_table() -> str:
    """AP of the exported artefacts of the weights that ship, beside eager PyTorch's."""
    records = {key[1:]: record for key, record in accuracy_records().items() if key[0] == SHIPPED}
    lines = [format_header("association", "T", "engine", "AP", "AP50", "AP75", "AR10", "AP − eager's")]
    exported = {(association, interval) for association, engine, interval in records if engine != EAGER}
    for key in sorted(records, key=lambda key: (key[0], key[2], key[1] != EAGER, key[1])):
        association, engine, interval = key
        if (association, interval) in exported:
            metrics = records[key]["metrics"]
            eager = records[association, EAGER, interval]["metrics"]["AP"]
            figures = format_metrics(metrics, ("AP", "AP50", "AP75", "AR10"))
            difference = f"{100 * (metrics['AP'] - eager):+.2f}"
            lines.append(format_row(association, str(interval), engine, *figures, difference))
    return "".join(lines)


def draw_curves(path: Path) -> None:
    """Plot AP against the keyframe interval; the picture carries its data as text."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    drawn = curves()
    for name, curve in drawn.items():
        points = sorted(curve.items())
        axes.plot([t for t, _ in points], [100 * ap for _, ap in points], marker="o", label=name)
    axes.set(xlabel="keyframe interval T", ylabel="YouTube-VIS AP, held-out synthetic videos")
    axes.set_xticks(sorted({t for curve in drawn.values() for t in curve}))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    figure.legend(title="trained on", loc="outside upper center", ncols=2)  # inside, it hides a curve
    figure.savefig(path, dpi=120, metadata={"Description": json.dumps(drawn)})
