"""Write the tables of the README from the recorded results, so that no figure is typed by hand.

    python docs/tables.py

rewrites what stands between the markers in README.md from docs/results/*_report.json, the records that
``mobilevis export`` writes beside its artefacts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
BEGIN, END = "<!-- exports: begin -->", "<!-- exports: end -->"
HEADER = (
    "| model | format | MB | largest difference | least mask IoU | delegate calls | time / ONNX Runtime's |\n"
    "|---|---|---|---|---|---|---|\n"
)


def export_table() -> str:
    """One row for each artefact of each recorded export."""
    rows = []
    for file in sorted(RESULTS.glob("*_report.json")):
        report = json.loads(file.read_text(encoding="utf-8"))
        rows += [_row(report, artefact) for artefact in report["artefacts"]]
    return HEADER + "".join(rows)


def _row(report: dict[str, Any], artefact: dict[str, Any]) -> str:
    height, width = report["input_size"]
    parity, delegation = artefact["parity"], artefact["delegation"]
    calls = "–"
    if delegation:
        calls = ", ".join(f"{entry} {found['delegate_calls']}" for entry, found in sorted(delegation.items()))
    ratio = artefact["time_ratio"]
    cells = (
        f"{report['model']} {height}×{width}",
        artefact["format"],
        f"{artefact['bytes'] / 1e6:.1f}",
        f"{max(output['max_abs'] for output in parity['outputs']):.1e}",
        f"{parity['mask_iou']:.5f}",
        calls,
        "1" if ratio is None else f"{ratio:.2f}",
    )
    return f"| {' | '.join(cells)} |\n"


def with_tables(readme: str) -> str:
    """The README with the tables between its markers replaced."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{export_table()}{END}{after}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
