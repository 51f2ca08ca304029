"""What ``mobilevis export`` prints of its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobilevis.cli.console import plain
from mobilevis.cli.tables import make_table
from mobilevis.runtime.metadata import PRECISIONS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mobilevis.export.report import ExportReport, FormatReport


def print_report(console: Console, report: ExportReport) -> None:
    """Show what an export made and what the gate measured."""
    height, width = report.input_size
    console.print(
        f"[bold]{plain(report.model)}[/] {height}x{width} {report.precision}, {report.seconds:.0f} s"
    )
    if report.checkpoint_sha256 is None:
        console.print("[bold yellow]The weights are random.[/]")
    console.print(_artefact_table(report))
    console.print(_parity_table(report))
    for artefact in report.artefacts:
        for line in _own_limits(artefact):
            console.print(plain(line), highlight=False)
    if report.precision != PRECISIONS[0]:
        console.print(_task_table(report))
    for artefact in report.artefacts:
        if artefact.delegation is not None:
            console.print(_delegation_table(artefact))


def print_mixed(console: Console, report: ExportReport) -> None:
    """Show for each artefact which layers have the precision and which stay in float32, and why."""
    from mobilevis.export.precision import kept_by

    for artefact in report.artefacts:
        if artefact.layers:
            console.print(_layer_table(artefact, report.precision))
    for kept in kept_by(report.precision, report.family, {item.format for item in report.artefacts}):
        console.print(f"float32: {plain(kept.what)}: {plain(kept.why)}", highlight=False)


def _layer_table(artefact: FormatReport, precision: str) -> Table:
    counted = [precision, "compute in it", "fp32", "folded"]
    table = make_table(f"Layers of the {artefact.format} artefact", ["entry"], counted)
    table.add_column("these in fp32")
    for entry, layers in artefact.layers.items():
        found = (layers.reduced, layers.computed, layers.kept, layers.folded)
        names = "all" if layers.kept and not layers.reduced else ", ".join(layers.kept) or "none"
        table.add_row(entry, *(str(len(paths)) for paths in found), names)
    return table


def _artefact_table(report: ExportReport) -> Table:
    table = make_table(
        f"Agreement with eager PyTorch over {report.artefacts[0].parity.frames} frames; "
        "one-core time over the ONNX artefact's",
        ["format"],
        ["MB", "convert s", "gate s", "instances", "mask IoU ≥", "time"],
    )
    for item in report.artefacts:
        parity = item.parity
        table.add_row(
            item.format,
            f"{item.bytes / 1e6:.1f}",
            f"{item.convert_seconds:.0f}",
            f"{item.gate_seconds:.0f}",
            f"{parity.instances} alike",
            f"{parity.mask_iou:.5f}",
            "–" if item.time_ratio is None else f"{item.time_ratio:.2f}",
        )
    if report.eager_time_ratio is not None:
        table.caption = f"eager PyTorch: {report.eager_time_ratio:.2f} of the ONNX artefact's time"
    return table


def _parity_table(report: ExportReport) -> Table:
    names = [item.format for item in report.artefacts]
    table = make_table("Largest difference of each output (relative L2, frame)", ["output"], names)
    for row in zip(*(item.parity.outputs for item in report.artefacts)):
        cells = (f"{o.max_abs:.1e} ({o.relative_l2:.1e}, {o.worst_frame})" for o in row)
        table.add_row(f"{row[0].entry}.{row[0].output}", *cells)
    return table


def _own_limits(artefact: FormatReport) -> list[str]:
    """Outputs that pass by the network's own rounding, beyond the tolerance of the table, in words."""
    return [
        f"{artefact.format}: {o.entry}.{o.output} differs by {o.error:.1e} of its scale, more than the usual "
        f"tolerance: own rounding {o.own_rounding:.1e}, limit {o.limit:.1e}"
        for o in artefact.parity.outputs
        if o.limit is not None
    ]


def _task_table(report: ExportReport) -> Table:
    table = make_table(
        f"Kept instances at {report.precision} beside fp32's", ["format"], ["agree", "mask IoU", "box IoU"]
    )
    for item in report.artefacts:
        task = item.parity.task
        figures = (task.agreement, task.mask_iou, task.box_iou)
        table.add_row(item.format, *(f"{value:.4f}" for value in figures))
    return table


def _delegation_table(artefact: FormatReport) -> Table:
    table = make_table(f"Delegation of the .{artefact.format}", ["entry"], ["delegate calls"])
    table.add_column("operators outside")
    table.add_column("layout copies")
    for entry, found in (artefact.delegation or {}).items():
        cells = (
            ", ".join(f"{name} ×{count}" for name, count in counts.items()) or "none"
            for counts in (found.operators_outside, found.layout_copies)
        )
        table.add_row(entry, str(found.delegate_calls), *cells)
    return table
