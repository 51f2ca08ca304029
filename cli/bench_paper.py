"""``mobilevis bench paper``: the latency rows of MobileInst's tables, beside the paper's ratios."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobilevis.cli.choices import choice
from mobilevis.cli.options import SIZE, CpusOption, DeviceOption, JsonOption, ProtocolOption
from mobilevis.runtime.formats import FORMATS

if TYPE_CHECKING:
    from rich.console import Console

    from mobilevis.benchmarks.cost.paper_latency import PaperRow

# Table 1 compares models, Table 7 intervals; the other tables' configurations are listed with the models.
MODELS_OF_TABLE_1 = {
    "SparseInst, R-50": "sparseinst-resnet50",
    "SparseInst, TopFormer": "sparseinst-topformer-base",
    "MobileInst, TopFormer": "mobileinst-topformer-base",
    "MobileInst, SeaFormer": "mobileinst-seaformer-base",
}
PAPER_QUERIES = 100


def paper(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="For the exported rows.")
    ] = Path("mobilevis-paper"),
    tables: Annotated[str, typer.Option(metavar="N,N…", help="Any of 1, 3, 4, 5, 6 and 7.")] = "1,3,4,5,6,7",
    device: DeviceOption = "local",
    cpus: CpusOption = "all",
    protocol: ProtocolOption = "quick",
    form: Annotated[str, choice("--format", names=FORMATS, help="Format of the rows.")] = "onnx",
    input_size: Annotated[str, typer.Option(metavar=SIZE, help="The paper's is 320x640.")] = "320x640",
    reuse: Annotated[bool, typer.Option("--reuse", help="Take rows that the folder holds already.")] = False,
    json_path: JsonOption = None,
) -> None:
    """Export the rows of the paper's tables, time them interleaved with one thread, and print the ratios."""
    from rich.console import Console

    from mobilevis.benchmarks.cost.paper_latency import paper_table, rows_of
    from mobilevis.benchmarks.latency.bench import Plan, run_plan
    from mobilevis.benchmarks.latency.transports.registry import open_device
    from mobilevis.benchmarks.latency.worker.protocol import find_protocol
    from mobilevis.cli.bench_latency import follow, progress_of
    from mobilevis.cli.options import parse_size
    from mobilevis.cli.records import open_record
    from mobilevis.runtime.errors import UserError

    if not re.fullmatch(r"\d(,\d)*", tables):
        raise UserError(f"--tables {tables:.40} is no list", fix="give such as 1,3,7")
    rows = rows_of([int(number) for number in tables.split(",")])
    console = Console(stderr=True)
    size = parse_size(input_size, "--input-size")
    with open_record(json_path, {}) as write:
        artefacts, failed = _export_rows(console, rows, output, form, size, reuse)
        paths = list(dict.fromkeys(artefacts.values()))
        plan = Plan(
            artefacts=paths,
            protocol=find_protocol(protocol),
            cpus=cpus,
            interleave=True,
            command=["mobilevis", *sys.argv[1:]],
        )
        with progress_of(console) as progress:
            report, error = run_plan(open_device(device), plan, follow(progress, plan))
        write(report.to_json())
    if error is not None:
        raise error
    print(paper_table(report, {row: paths.index(path) for row, path in artefacts.items()}, failed))
    if failed:
        raise UserError(f"{len(failed)} of {len(rows)} rows were not measured", fix="see the reasons above")


def model_of(row: PaperRow) -> tuple[str, Mapping[str, Any]]:
    """Registry name and configuration of a row's architecture."""
    from mobilevis.benchmarks.cost.paper_flops import ABLATION_ROWS, MODEL

    if row.table == 1:
        return MODELS_OF_TABLE_1[row.name], {}
    # Table 7 runs Table 3's default at several intervals, which costs no other architecture.
    table, name = (3, "global, local") if row.table == 7 else (row.table, row.name)
    found = next(other for other in ABLATION_ROWS if (other.table, other.name) == (table, name))
    return MODEL, found.config


def _export_rows(
    console: Console,
    rows: Sequence[PaperRow],
    output: Path,
    form: str,
    size: tuple[int, int],
    reuse: bool,
) -> tuple[dict[PaperRow, Path], dict[PaperRow, str]]:
    """Export each architecture once, with random weights: time does not depend on them.

    Returns:
        Row → artefact, and row → why it could not be exported.
    """
    import torch

    from mobilevis.models import create_model
    from mobilevis.runtime.errors import UserError

    exported: dict[str, Path] = {}
    artefacts: dict[PaperRow, Path] = {}
    failed: dict[PaperRow, str] = {}
    for row in rows:
        with torch.device("meta"):  # some rows spell out a default: the built configuration tells
            model, config = model_of(row)
            architecture = f"{model} {create_model(model, **config).config}"
        folder = output / re.sub(r"[^\w]+", "-", f"table {row.table} {row.name}").strip("-")
        try:
            if architecture not in exported:
                exported[architecture] = _export_row(console, row, folder, form, size, reuse)
            artefacts[row] = exported[architecture]
        except UserError as error:
            failed[row] = str(error)
    return artefacts, failed


def _export_row(
    console: Console, row: PaperRow, folder: Path, form: str, size: tuple[int, int], reuse: bool
) -> Path:
    from mobilevis.cli.export import export_with_progress

    found = list(folder.glob(FORMATS[form].artefact_name("*")))
    if reuse and found:
        return found[0]
    model, config = model_of(row)
    # The paper's network gives a mask for each query; ours could segment the live ones alone.
    queries = config.get("num_queries", PAPER_QUERIES)
    report = export_with_progress(
        console, model, folder, [form], size, config=dict(config), random=True, max_instances=queries
    )
    return folder / report.artefacts[0].path
