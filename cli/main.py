"""The ``mobilevis`` command: sub-commands are thin modules beside this one."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from mobilevis.cli import run
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


app.command("run")(run.run)


def main() -> None:
    """Run the command line; a ``UserError`` becomes one line on stderr and exit code 2."""
    # FFmpeg inside OpenCV writes its own lines about broken videos; ours names the file and the remedy.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
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
