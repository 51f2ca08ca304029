"""``mobilevis export``: a model to artefacts that passed the parity gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mobilevis.cli.choices import choice, complete, complete_list, names_at
from mobilevis.cli.console import print_written
from mobilevis.cli.eager import CHECKPOINT_SUFFIX
from mobilevis.cli.export_tables import print_mixed, print_report
from mobilevis.cli.options import DEFAULT_INPUT_SIZE, SIZE, ConfigOption, parse_config, parse_size
from mobilevis.runtime.formats import FORMATS
from mobilevis.runtime.metadata import PRECISIONS

if TYPE_CHECKING:
    from rich.console import Console

    from mobilevis.export.report import ExportReport
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
        Optional[str],
        typer.Option(
            "--format",
            metavar=f"{'|'.join(FORMATS)},…",
            autocompletion=complete_list(lambda: FORMATS),
            help="One or more; by default all that have the precision.",
        ),
    ] = None,
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
    precision: Annotated[
        str,
        choice(
            names=PRECISIONS,
            help="Of the stored weights; fp16 takes about half the space, int8 a third. int8-static computes "
            "in 8 bits, too.",
        ),
    ] = PRECISIONS[0],
    calibrate: Annotated[
        Optional[Path],
        typer.Option(
            metavar="DIR|VIDEO|SET",
            help="What 8 bits are chosen for: pictures, a video or a labelled set, none of a test set.",
        ),
    ] = None,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Show which layers stay in float32, and why.")
    ] = False,
    debug_quantisation: Annotated[
        bool,
        typer.Option(
            "--debug-quantisation",
            help="Write how far each layer is from fp32, as NAME_layers.json and a plot, NAME_layers.png.",
        ),
    ] = False,
    simplify: Annotated[bool, typer.Option("--simplify", help="Run onnxsim on the ONNX graphs.")] = False,
) -> None:
    """Export a model to ONNX, ExecuTorch and TFLite, each checked against eager PyTorch on real frames."""
    from rich.console import Console

    console = Console()
    report = export_with_progress(
        console,
        model,
        output,
        None if formats is None else [form.strip() for form in formats.split(",")],
        None if input_size is None else parse_size(input_size, "--input-size"),
        checkpoint=checkpoint,
        random=random,
        config=parse_config(config or []),
        calibration=calibration,
        precision=precision,
        calibrate=calibrate,
        debug_quantisation=debug_quantisation,
        simplify=simplify,
        **({} if max_instances is None else {"max_instances": max_instances}),
    )
    print_report(console, report)
    if mixed:
        print_mixed(console, report)
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
    precision: str = PRECISIONS[0],
    calibrate: Optional[Path] = None,
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
        precision: of the artefacts.
        calibrate: pictures, a video or a set, for a precision that rounds weights for them.
        simplify: run onnxsim on the ONNX graphs.
        options: the model's own export options, and others of ``export_model``.

    Raises:
        UserError: the model, a configuration key or a value is not known, or not the checkpoint's; see also
            ``export_model`` and ``load_checkpoint``.
    """
    from mobilevis.cli.calibration import open_pictures
    from mobilevis.cli.stream import progress_bar
    from mobilevis.export import export_model
    from mobilevis.export.precision import check_precision
    from mobilevis.runtime.sources import open_source

    check_precision(precision, calibrate is not None, options.get("debug_quantisation", False))
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
            precision=precision,
            calibration=None if calibrate is None else open_pictures(calibrate),
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
