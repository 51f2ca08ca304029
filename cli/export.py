"""``mobilevis export``: a model to artefacts that passed the parity gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mobilevis.cli.console import plain, print_written

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mobilevis.export.report import ExportReport, FormatReport
    from mobilevis.models import StreamingModel
    from mobilevis.runtime.categories import Category

ALL_FORMATS = ("onnx", "pte", "tflite")


def export(
    model: Annotated[str, typer.Argument(help="A name from `mobilevis profile --list`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the artefacts.")],
    formats: Annotated[str, typer.Option("--format", help="Any of onnx, pte and tflite.")] = ",".join(
        ALL_FORMATS
    ),
    input_size: Annotated[str, typer.Option(help="HEIGHTxWIDTH of the network's input.")] = "320x640",
    checkpoint: Annotated[
        Optional[Path], typer.Option(help="Trained weights; without them they are random.")
    ] = None,
    max_instances: Annotated[
        Optional[int], typer.Option(min=1, help="Instances segmented in a frame; by default the model's own.")
    ] = None,
    config: Annotated[
        Optional[list[str]], typer.Option(help="KEY=VALUE of the model's configuration; may be repeated.")
    ] = None,
    calibration: Annotated[
        Optional[Path],
        typer.Option(help="Video or folder of images for the parity gate, ten frames or more."),
    ] = None,
    simplify: Annotated[bool, typer.Option("--simplify", help="Run onnxsim on the ONNX graphs.")] = False,
) -> None:
    """Export a model to ONNX, ExecuTorch and TFLite, each checked against eager PyTorch on real frames."""
    from rich.console import Console

    from mobilevis.cli.options import parse_config, parse_size

    console = Console()
    options = {} if max_instances is None else {"max_instances": max_instances}
    report = export_with_progress(
        console,
        model,
        output,
        [form.strip() for form in formats.split(",")],
        parse_size(input_size, "--input-size"),
        checkpoint=checkpoint,
        config=parse_config(config or []),
        calibration=calibration,
        simplify=simplify,
        **options,
    )
    print_report(console, report)
    print_written(console, [output / artefact.path for artefact in report.artefacts])


def export_with_progress(
    console: Console,
    model: str,
    output: Path,
    formats: Sequence[str] = ALL_FORMATS,
    input_size: tuple[int, int] = (320, 640),
    *,
    checkpoint: Optional[Path] = None,
    config: Optional[dict[str, Any]] = None,
    calibration: Optional[Path] = None,
    simplify: bool = False,
    **options: Any,
) -> ExportReport:
    """``export_model`` of a registry model under a progress bar; see there for the arguments.

    With a checkpoint the model, its configuration, classes and hash are the checkpoint's.

    Raises:
        UserError: the model, a configuration key or a value is not known, or not the checkpoint's; see also
            ``export_model`` and ``load_checkpoint``.
    """
    from mobilevis.cli.stream import progress_bar
    from mobilevis.export import export_model
    from mobilevis.runtime.sources import open_source

    built, classes, sha256 = _build(model, config or {}, checkpoint)
    with progress_bar(console) as progress:
        task = progress.add_task("Start", total=None)
        return export_model(
            built,
            output,
            formats,
            input_size,
            name=model,
            classes=classes,
            checkpoint_sha256=sha256,
            frames=None if calibration is None else open_source(str(calibration)),
            simplify=simplify,
            progress=lambda what, done, total: progress.update(
                task, description=what, completed=done, total=total
            ),
            **options,
        )


def _build(
    name: str, config: dict[str, Any], checkpoint: Optional[Path]
) -> tuple[StreamingModel, Optional[Sequence[Category]], Optional[str]]:
    """The model with its classes and its checkpoint's hash; these are None for random weights."""
    from mobilevis.export.seeded import create_seeded
    from mobilevis.models.weights.checkpoint import load_checkpoint
    from mobilevis.runtime.errors import UserError

    if checkpoint is None:
        try:
            return create_seeded(name, **config), None, None
        except ValueError as error:
            raise UserError(str(error), fix="see `mobilevis export --help`") from error
    loaded = load_checkpoint(checkpoint)
    if loaded.name != name:
        raise UserError(f"holds a {loaded.name}, not a {name}", checkpoint, f"export {loaded.name}")
    held = asdict(loaded.model.config)
    for key, value in config.items():
        if key not in held:
            raise UserError(f"no configuration {key}", checkpoint, f"known are {', '.join(sorted(held))}")
        if held[key] != value:
            raise UserError(f"holds {key}={held[key]}, not {value}", checkpoint, f"leave out --config {key}")
    return loaded.model, loaded.classes, loaded.sha256


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
        if artefact.delegation is not None:
            console.print(_delegation_table(artefact))


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in left:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right")
    return table


def _artefact_table(report: ExportReport) -> Table:
    table = _table(
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
    table = _table("Largest difference of each output (relative L2, frame)", ["output"], names)
    for row in zip(*(item.parity.outputs for item in report.artefacts)):
        cells = (f"{o.max_abs:.1e} ({o.relative_l2:.1e}, {o.worst_frame})" for o in row)
        table.add_row(f"{row[0].entry}.{row[0].output}", *cells)
    return table


def _delegation_table(artefact: FormatReport) -> Table:
    table = _table(f"Delegation of the .{artefact.format}", ["entry"], ["delegate calls"])
    table.add_column("operators outside")
    table.add_column("layout copies")
    for entry, found in (artefact.delegation or {}).items():
        cells = (
            ", ".join(f"{name} ×{count}" for name, count in counts.items()) or "none"
            for counts in (found.operators_outside, found.layout_copies)
        )
        table.add_row(entry, str(found.delegate_calls), *cells)
    return table
