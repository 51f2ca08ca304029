"""``mobilevis export``: a model to artefacts that passed the parity gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mobilevis.cli.choices import complete, complete_list, names_at
from mobilevis.cli.console import plain, print_written
from mobilevis.cli.eager import CHECKPOINT_SUFFIX
from mobilevis.cli.options import DEFAULT_INPUT_SIZE, SIZE, ConfigOption, parse_config, parse_size
from mobilevis.cli.tables import make_table
from mobilevis.runtime.formats import FORMATS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mobilevis.export.report import ExportReport, FormatReport
    from mobilevis.models import StreamingModel
    from mobilevis.runtime.categories import Category


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|CHECKPOINT",
            autocompletion=complete(names_at("mobilevis.models:list_models")),
            help="A name from `mobilevis list`, or a file that `mobilevis train` wrote.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="For the artefacts.")
    ] = Path("mobilevis-export"),
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar=f"{'|'.join(FORMATS)},…",
            autocompletion=complete_list(lambda: FORMATS),
            help="One or more.",
        ),
    ] = ",".join(FORMATS),
    input_size: Annotated[
        Optional[str],
        typer.Option(
            metavar=SIZE, help="By default the checkpoint's own, else {}x{}.".format(*DEFAULT_INPUT_SIZE)
        ),
    ] = None,
    checkpoint: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Trained weights; by default those that ship.")
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Random weights, even where some ship.")] = False,
    max_instances: Annotated[
        Optional[int],
        typer.Option(min=1, metavar="S", help="Instances segmented in a frame; by default the model's own."),
    ] = None,
    config: ConfigOption = None,
    calibration: Annotated[
        Optional[Path],
        typer.Option(
            metavar="CLIP", help="Video or folder of images for the parity gate, ten frames or more."
        ),
    ] = None,
    simplify: Annotated[bool, typer.Option("--simplify", help="Run onnxsim on the ONNX graphs.")] = False,
) -> None:
    """Export a model to ONNX, ExecuTorch and TFLite, each checked against eager PyTorch on real frames."""
    from rich.console import Console

    console = Console()
    report = export_with_progress(
        console,
        model,
        output,
        [form.strip() for form in formats.split(",")],
        None if input_size is None else parse_size(input_size, "--input-size"),
        checkpoint=checkpoint,
        random=random,
        config=parse_config(config or []),
        calibration=calibration,
        simplify=simplify,
        **({} if max_instances is None else {"max_instances": max_instances}),
    )
    print_report(console, report)
    print_written(console, [output / artefact.path for artefact in report.artefacts])


def export_with_progress(
    console: Console,
    model: str,
    output: Path,
    formats: Optional[Sequence[str]] = None,
    input_size: Optional[tuple[int, int]] = None,
    *,
    checkpoint: Optional[Path] = None,
    random: bool = False,
    config: Optional[dict[str, Any]] = None,
    calibration: Optional[Path] = None,
    simplify: bool = False,
    **options: Any,
) -> ExportReport:
    """``export_model`` of a registry model under a progress bar; see there for the other arguments.

    With a checkpoint the model, its configuration, classes and hash are the checkpoint's.

    Args:
        console: for the progress bar.
        model: a registry name, or the path of a checkpoint.
        output: folder for the artefacts.
        formats: None takes them all.
        input_size: (height, width); None takes the checkpoint's own.
        checkpoint: trained weights; None takes those that ship, and random ones where none do.
        random: take random weights.
        config: of the model; must be the checkpoint's where there is one.
        calibration: clip for the parity gate.
        simplify: run onnxsim on the ONNX graphs.
        options: the model's own export options.

    Raises:
        UserError: the model, a configuration key or a value is not known, or not the checkpoint's; see also
            ``export_model`` and ``load_checkpoint``.
    """
    from mobilevis.cli.stream import progress_bar
    from mobilevis.export import export_model
    from mobilevis.runtime.sources import open_source

    source = _load(model, checkpoint, random, config or {})
    with progress_bar(console) as progress:
        task = progress.add_task("Start", total=None)
        return export_model(
            source.model,
            output,
            formats,
            input_size or source.input_size or DEFAULT_INPUT_SIZE,
            name=source.name,
            classes=source.classes,
            checkpoint_sha256=source.sha256,
            frames=None if calibration is None else open_source(str(calibration)),
            simplify=simplify,
            progress=lambda what, done, total: progress.update(
                task, description=what, completed=done, total=total
            ),
            **options,
        )


@dataclass(frozen=True)
class _Source:
    """What is exported; the last three are None for random weights."""

    model: StreamingModel
    name: str
    classes: Optional[Sequence[Category]] = None
    sha256: Optional[str] = None
    input_size: Optional[tuple[int, int]] = None


def _load(model: str, checkpoint: Optional[Path], random: bool, config: dict[str, Any]) -> _Source:
    """The model with its weights: a checkpoint's, those that ship, or random ones."""
    from mobilevis.export.seeded import create_seeded
    from mobilevis.models.registry import full_name
    from mobilevis.models.weights.bundled import BUNDLED, bundled_checkpoint
    from mobilevis.runtime.errors import UserError

    name: Optional[str] = model
    if checkpoint is None and Path(model).suffix == CHECKPOINT_SUFFIX:
        name, checkpoint = None, Path(model)
    if checkpoint is not None and random:
        raise UserError("a checkpoint's weights are not random", checkpoint, "leave out --random")
    try:
        found = None if random else checkpoint or bundled_checkpoint(model)
        name = BUNDLED.get(model, name)
        if found is None:
            created = create_seeded(name or model, **config)
            return _Source(created, full_name(name or model, created.config))
    except ValueError as error:
        raise UserError(str(error), fix="see `mobilevis list` and `mobilevis export --help`") from error
    return _load_checkpoint(name, found, config)


def _load_checkpoint(name: Optional[str], path: Path, config: dict[str, Any]) -> _Source:
    """A checkpoint's model; refuses a name or a configuration that is not its own."""
    from mobilevis.models.registry import full_name
    from mobilevis.models.weights.checkpoint import load_checkpoint
    from mobilevis.runtime.errors import UserError, suggest

    loaded = load_checkpoint(path)
    if name not in (None, loaded.name):
        raise UserError(f"holds a {loaded.name}, not a {name}", path, f"export {loaded.name}")
    held = asdict(loaded.model.config)
    for key, value in config.items():
        if key not in held:
            raise UserError(f"no configuration {key}", path, suggest(key, sorted(held)))
        if held[key] != value:
            fix = f"leave out --config {key}, or give --random"
            raise UserError(f"holds {key}={held[key]}, not {value}", path, fix)
    name = full_name(loaded.name, loaded.model.config)
    return _Source(loaded.model, name, loaded.classes, loaded.sha256, loaded.input_size)


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
