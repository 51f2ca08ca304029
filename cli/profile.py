"""``mobilevis profile``: a model's parameters and operations, and the papers' beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mobilevis.cli.choices import complete, names_at
from mobilevis.cli.options import SIZE, ConfigOption
from mobilevis.cli.tables import make_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mobilevis.benchmarks.cost.paper_flops import AblationRow, BackboneRow
    from mobilevis.benchmarks.cost.profiling import Cost, ModelProfile

MODEL_NAMES = complete(names_at("mobilevis.models:list_models"))
CONVENTIONS = (
    "MACs: multiply-adds of convolutions and matrix products. FLOPs in fvcore's convention: 1 for a "
    "multiply-add, 2 for each element of a batch norm in evaluation, 4 for each bilinearly upsampled element."
)

ROUNDING = (
    "The backbones differ after rounding as the papers do, to 0.1: SeaFormer's tables give parameters and "
    "fvcore's FLOPs rounded to nearest, TopFormer's give parameters and MACs rounded up."
)


def profile(
    model: Annotated[
        Optional[str],
        typer.Argument(metavar="MODEL", autocompletion=MODEL_NAMES, help="A name from --list."),
    ] = None,
    input_size: Annotated[str, typer.Option(metavar=SIZE, help="Of the network's input.")] = "320x640",
    config: ConfigOption = None,
    depth: Annotated[int, typer.Option(min=1, help="Levels of the module tree to tell apart.")] = 2,
    list_names: Annotated[bool, typer.Option("--list", help="List the models.")] = False,
    paper_tables: Annotated[
        bool, typer.Option("--paper-tables", help="Show the papers' figures and ours side by side.")
    ] = False,
) -> None:
    """Count a model's parameters and operations, block by block, with a mask for every query."""
    from rich.console import Console

    from mobilevis.benchmarks.cost.profiling import profile_model
    from mobilevis.cli.options import parse_config, parse_size
    from mobilevis.models import create_model, list_models
    from mobilevis.runtime.errors import UserError

    console = Console()
    if list_names:
        console.print("\n".join(list_models()), highlight=False)
    if paper_tables:
        _print_paper_tables(console)
    if model is None:
        if not (list_names or paper_tables):
            raise UserError("no model is named", fix="give a name from `mobilevis profile --list`")
        return
    size = parse_size(input_size, "--input-size")
    try:
        counted = profile_model(create_model(model, **parse_config(config or [])), size, depth)
    except ValueError as error:
        raise UserError(str(error), fix="see `mobilevis profile --help` and --list") from error
    console.print(_model_table(f"{model} at {size[0]}x{size[1]}", counted))
    console.print(CONVENTIONS, highlight=False)


def _table(title: str, left: list[str], right: list[str]) -> Table:
    from rich.box import SIMPLE_HEAD

    return make_table(title, left, right, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def _model_table(title: str, counted: ModelProfile) -> Table:
    table = _table(title, ["entry", "block"], ["parameters", "MACs [M]", "fvcore FLOPs [M]"])
    entry = None
    for row in counted.blocks:
        if entry not in (None, row.entry):
            table.add_section()
        shown = "" if row.entry == entry else row.entry
        entry = row.entry
        table.add_row(shown, row.block or "(outside of blocks)", f"{row.parameters:,}", *_millions(row.cost))
    table.add_section()
    table.add_row("total", "", f"{counted.parameters:,}", *_millions(counted.cost), style="bold")
    return table


def _millions(cost: Cost) -> tuple[str, str]:
    return f"{cost.macs / 1e6:,.2f}", f"{cost.fvcore_flops / 1e6:,.2f}"


def _print_paper_tables(console: Console) -> None:
    from mobilevis.benchmarks.cost.paper_flops import ABLATION_ROWS, BACKBONE_ROWS
    from mobilevis.cli.stream import progress_bar

    with progress_bar(console) as progress:
        ablations = [
            (row, row.measure()) for row in progress.track(ABLATION_ROWS, description="counting ablations")
        ]
        backbones = [
            (row, row.measure()) for row in progress.track(BACKBONE_ROWS, description="counting backbones")
        ]
    console.print(_ablation_table(ablations))
    console.print(_backbone_table(backbones))
    console.print(ROUNDING, highlight=False)
    console.print(CONVENTIONS, highlight=False)


def _ablation_table(measured: list[tuple[AblationRow, Cost]]) -> Table:
    from mobilevis.benchmarks.cost.paper_flops import FLAGSHIP, INPUT_SIZE, MODEL

    flagship = next(cost.fvcore_flops for row, cost in measured if row is FLAGSHIP) / 1e9
    table = _table(
        f"MobileInst's Tables 3 to 6: {MODEL} at {INPUT_SIZE[0]}x{INPUT_SIZE[1]}, GFLOPs",
        ["table", "row"],
        ["paper", "ours", "diff", "paper, step from SE", "ours, step from SE", "diff"],
    )
    for row, cost in measured:
        ours = cost.fvcore_flops / 1e9
        steps = (row.gflops - FLAGSHIP.gflops, ours - flagship)
        table.add_row(
            str(row.table),
            row.name,
            f"{row.gflops:.2f}",
            f"{ours:.3f}",
            f"{ours - row.gflops:+.3f}",
            f"{steps[0]:+.2f}",
            f"{steps[1]:+.3f}",
            f"{steps[1] - steps[0]:+.3f}",
        )
    return table


def _backbone_table(measured: list[tuple[BackboneRow, tuple[int, Cost]]]) -> Table:
    table = _table(
        "The backbones with their heads: the papers' parameters [M] and FLOPs [G], and ours",
        ["backbone", "task"],
        ["params", "ours", "diff", "FLOPs", "MACs", "fvcore", "diff"],
    )
    for row, (parameters, cost) in measured:
        megaparameters, gflops = row.as_printed(parameters, cost)
        table.add_row(
            row.backbone,
            f"{row.task} {row.input_size}²",
            f"{row.megaparameters:.1f}",
            f"{parameters / 1e6:.3f}",
            f"{megaparameters - row.megaparameters:.1f}",
            f"{row.gflops:.1f}",
            f"{cost.macs / 1e9:.3f}",
            f"{cost.fvcore_flops / 1e9:.3f}",
            f"{gflops - row.gflops:.1f}",
        )
    return table
