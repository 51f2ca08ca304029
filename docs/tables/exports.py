"""The exports, from the reports that ``mobilevis export`` writes beside its artefacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from .records import RESULTS, format_header, format_row, group_entries, read_record

COLUMNS = (
    "model",
    "format",
    "MB",
    "largest difference",
    "least mask IoU",
    "delegate calls",
    "time / ONNX Runtime's",
    "eager's",
)


def export_table(folder: Path = RESULTS) -> str:
    """One row for each artefact of each recorded export, by model, then format."""
    rows: list[str] = []
    for file in sorted(folder.glob("*_report.json")):
        report = read_record(file)
        rows += [_export_row(report, artefact) for artefact in report["artefacts"]]
    return format_header(*COLUMNS) + "".join(sorted(rows))


def _export_row(report: dict[str, Any], artefact: dict[str, Any]) -> str:
    height, width = report["input_size"]
    parity = artefact["parity"]
    is_reference = artefact["format"] == "onnx"
    eager = report.get("eager_time_ratio") if is_reference else None
    return format_row(
        f"{report['model']} {height}×{width}",
        artefact["format"],
        f"{artefact['bytes'] / 1e6:.1f}",
        f"{max(output['max_abs'] for output in parity['outputs']):.1e}",
        f"{parity['mask_iou']:.5f}",
        _delegate_calls(artefact["delegation"]),
        "1" if is_reference else _format_ratio(artefact["time_ratio"]),
        _format_ratio(eager),
    )


def _delegate_calls(delegation: Optional[dict[str, Any]]) -> str:
    """``encode 7, layer 9 × 1``: calls of each entry, entries of one kind together."""
    if not delegation:
        return "–"
    cells = []
    for kind, names in group_entries(sorted(delegation)).items():
        counts = sorted({delegation[name]["delegate_calls"] for name in names})
        calls = " to ".join(map(str, counts if len(counts) == 1 else (counts[0], counts[-1])))
        cells.append(f"{kind} {f'{len(names)} × ' if len(names) > 1 else ''}{calls}")
    return ", ".join(cells)


def _format_ratio(value: Optional[float]) -> str:
    return "–" if value is None else f"{value:.2f}"
