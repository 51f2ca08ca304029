"""Write the documents' tables and plots from the recorded results, so that no figure is typed by hand.

    python docs/tables.py

rewrites what stands between the markers of README.md and docs/**/*.md, and the plots. The records are those
that ``mobilevis export`` writes beside its artefacts (docs/results/*_report.json) and that ``mobilevis bench
accuracy --json`` (docs/results/accuracy/<weights>_<engine>_<association>_T<interval>.json), ``mobilevis bench
latency --json`` (docs/results/systems/*_onnxruntime.json) and ``mobilevis bench routing --json``
(docs/results/routing/*.json) write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, load_report
from mobilevis.benchmarks.latency.worker.job import TOTAL

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
SYSTEMS = RESULTS / "systems"
ROUTING = RESULTS / "routing" / "minvis-tar-topformer-tiny.json"
ROUTING_STILL = {
    "160 others, static": RESULTS / "routing" / "minvis-tar-topformer-tiny_still.json",
    "320 more, static": RESULTS / "routing" / "minvis-tar-topformer-tiny_still-320.json",
}
PLOT = ROOT / "docs" / "accuracy.png"
ROUTING_PLOT = ROOT / "docs" / "models" / "tar.png"
PACES = {0: "static", 1: "as drawn", 2: "every second frame"}
EXPORTS_HEADER = (
    "| model | format | MB | largest difference | least mask IoU | delegate calls "
    "| time / ONNX Runtime's | eager's |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
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


def export_table(folder: Path = RESULTS) -> str:
    """One row for each artefact of each recorded export, by model, then format."""
    rows: list[str] = []
    for file in sorted(folder.glob("*_report.json")):
        report = json.loads(file.read_text(encoding="utf-8"))
        rows += [_export_row(report, artefact) for artefact in report["artefacts"]]
    return EXPORTS_HEADER + "".join(sorted(rows))


def _export_row(report: dict[str, Any], artefact: dict[str, Any]) -> str:
    height, width = report["input_size"]
    parity, delegation = artefact["parity"], artefact["delegation"]
    calls = "–"
    if delegation:
        calls = ", ".join(f"{entry} {found['delegate_calls']}" for entry, found in sorted(delegation.items()))
    is_reference = artefact["format"] == "onnx"
    eager = report.get("eager_time_ratio") if is_reference else None
    return _row(
        f"{report['model']} {height}×{width}",
        artefact["format"],
        f"{artefact['bytes'] / 1e6:.1f}",
        f"{max(output['max_abs'] for output in parity['outputs']):.1e}",
        f"{parity['mask_iou']:.5f}",
        calls,
        "1" if is_reference else _ratio(artefact["time_ratio"]),
        _ratio(eager),
    )


def _ratio(value: Optional[float]) -> str:
    return "–" if value is None else f"{value:.2f}"


def accuracy_records() -> Records:
    """(weights, association, engine, keyframe interval) → the record of ``bench accuracy``."""
    found = {}
    for file in sorted((RESULTS / "accuracy").glob("*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
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
    lines = [
        _row("trained on", *(f"T = {interval}" for interval in intervals)),
        _row(*["---"] * (1 + len(intervals))),
    ]
    for name, curve in drawn.items():
        lines.append(_row(name, *(_percent(curve.get(interval)) for interval in intervals)))
    return "".join(lines)


def engine_table() -> str:
    """AP of the exported artefacts of the weights that ship, beside eager PyTorch's."""
    records = {key[1:]: record for key, record in accuracy_records().items() if key[0] == SHIPPED}
    lines = [_row("association", "T", "engine", "AP", "AP50", "AP75", "AR10", "AP − eager's")]
    lines.append(_row(*["---"] * 8))
    exported = {(association, interval) for association, engine, interval in records if engine != EAGER}
    for key in sorted(records, key=lambda key: (key[0], key[2], key[1] != EAGER, key[1])):
        association, engine, interval = key
        if (association, interval) in exported:
            metrics = records[key]["metrics"]
            eager = records[association, EAGER, interval]["metrics"]["AP"]
            figures = [_percent(metrics[name]) for name in ("AP", "AP50", "AP75", "AR10")]
            difference = f"{100 * (metrics['AP'] - eager):+.2f}"
            lines.append(_row(association, str(interval), engine, *figures, difference))
    return "".join(lines)


def system_table() -> str:
    """Each system's entries and whole frames, from interleaved runs of the latency harness."""
    header = ("system", "CPU", "entries, median ms", "frame, mean ms", "valid")
    lines = [_row(*header), _row(*["---"] * len(header))]
    for file in sorted(SYSTEMS.glob("*_onnxruntime.json")):
        report = load_report(file)
        lines += [_system_row(report.device["cpu"], artefact) for artefact in report.artefacts]
    return "".join(lines)


def _system_row(cpu: str, artefact: ArtefactResult) -> str:
    entries, frames = artefact.workloads["entries"], artefact.workloads["frames"]
    grouped: dict[str, list[float]] = {}  # nine layers and eight routers are a row each otherwise
    for stage in entries.milliseconds:
        found = entries.summary(stage)
        if found is not None and stage != TOTAL["entries"]:
            grouped.setdefault(re.sub(r"_\d+$", "", stage), []).append(found.p50)
    cells = [
        f"{name} {sum(medians):.3g}" + (f" ({len(medians)} entries)" if len(medians) > 1 else "")
        for name, medians in grouped.items()
    ]
    whole = frames.summary(TOTAL["frames"])
    mean = "not measured" if whole is None else f"{whole.mean:.1f}"
    valid = "yes" if artefact.valid else f"no: {'; '.join(artefact.reasons)}"
    return _row(artefact.name, cpu, ", ".join(cells), mean, valid)


def routing(file: Path = ROUTING) -> dict[str, Any]:
    """A record of ``bench routing``."""
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def routing_table() -> str:
    """TAR's Table 5 on our data: AP by decoder layers, at each pace; routed rows say how many were kept."""
    columns = {name: _layer_rows(ROUTING, pace) for pace, name in PACES.items()}
    columns |= {name: _layer_rows(file, 0) for name, file in ROUTING_STILL.items()}
    lines = [_row("layers in a frame", *(f"AP, {name}" for name in columns))]
    lines.append(_row(*["---"] * (1 + len(columns))))
    counts = sorted({fixed for rows in columns.values() for fixed in rows if fixed is not None})
    for fixed in (*counts, None):
        cells = []
        for rows in columns.values():
            row = rows.get(fixed)
            kept = f" ({row['mean_layers']:.2f} layers)" if row is not None and fixed is None else ""
            cells.append("–" if row is None else _percent(row["AP"]) + kept)
        lines.append(_row("routed" if fixed is None else str(fixed), *cells))
    return "".join(lines)


def _layer_rows(file: Path, pace: int) -> dict[Optional[int], dict[str, Any]]:
    return {row["fixed_layers"]: row for row in routing(file)["rows"] if row["pace"] == pace}


def _percent(fraction: float | None) -> str:
    return "not measured" if fraction is None else f"{100 * fraction:.1f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


TABLES: dict[str, Callable[[], str]] = {
    "exports": export_table,
    "accuracy-curve": curve_table,
    "accuracy-engines": engine_table,
    "systems": system_table,
    "routing": routing_table,
    "systems-exports": lambda: export_table(SYSTEMS),
}


def with_tables(document: str) -> str:
    """A document with the tables between its markers replaced."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if begin in document:
            before, rest = document.split(begin)
            document = f"{before}{begin}\n{table()}{end}{rest.split(end)[1]}"
    return document


def documents() -> list[Path]:
    """The documents that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


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


def draw_routing(path: Path) -> None:
    """Plot Fig. 5's relation, layers against change; the picture carries its data as text."""
    from matplotlib.figure import Figure

    relation = routing()["relation"]
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


if __name__ == "__main__":
    for document in documents():
        document.write_text(with_tables(document.read_text(encoding="utf-8")), encoding="utf-8")
    draw_curves(PLOT)
    draw_routing(ROUTING_PLOT)
