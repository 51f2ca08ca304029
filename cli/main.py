"""The ``mobilevis`` command: sub-commands are thin modules beside this one."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from mobilevis.cli import (
    bench_accuracy,
    bench_latency,
    bench_paper,
    bench_routing,
    data,
    demo,
    devices,
    eval,
    export,
    profile,
    run,
    train,
)
from mobilevis.runtime.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Video instance segmentation on phones and ARM boards: export, run, measure.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mobilevis {importlib.metadata.version('mobilevis')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass  # main() has taken --debug already, so that it may stand anywhere on the line


app.command("demo")(demo.demo)
app.command("export")(export.export)
app.command("run")(run.run)
app.command("profile")(profile.profile)
app.command("train")(train.train)
app.command("eval")(eval.evaluate)

bench_app = typer.Typer(no_args_is_help=True, help="Measure an artefact: accuracy and latency.")
bench_app.command("accuracy")(bench_accuracy.accuracy)
bench_app.command("latency")(bench_latency.latency)
bench_app.command("compare")(bench_latency.compare)
bench_app.command("paper")(bench_paper.paper)
bench_app.command("routing")(bench_routing.routing)
app.add_typer(bench_app, name="bench")
app.add_typer(devices.app, name="devices")

data_app = typer.Typer(no_args_is_help=True, help="Draw synthetic sets; look at any set.")
data_app.command("synth")(data.synth)
data_app.command("show")(data.show)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line; a ``UserError`` becomes one line on stderr and exit code 2."""
    # FFmpeg inside OpenCV writes its own lines about broken videos; ours names the file and the remedy.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    # torchao comes with ExecuTorch: it warns of CUDA kernels that nothing here uses, PyTorch of its enums.
    for chatty in ("torchao", "torch.utils._pytree"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments)
    except UserError as error:
        if debug:
            raise
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"mobilevis: {escape(str(error))}")
        sys.exit(2)


if __name__ == "__main__":
    main()
