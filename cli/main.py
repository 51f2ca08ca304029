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
    info,
    profile,
    run,
    train,
)
from mobilevis.cli import list as list_command
from mobilevis.cli.commands import Group, add_command
from mobilevis.runtime.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    cls=Group,
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


CLIP = "street.mp4"
ARTEFACT = "mobilevis-export/mobileinst-topformer-tiny_256x512_fp32.tflite"
ONNX = "mobilevis-export/mobileinst-topformer-tiny_256x512_fp32_onnx"
VAL = "instances_val.json"

add_command(app, "demo", demo.demo, "demo", "demo -o demo -T 1")
add_command(
    app,
    "export",
    export.export,
    "export mobileinst-topformer-tiny",
    "export runs/coco/model.safetensors --format onnx,tflite -o artefacts",
    "export mobileinst-topformer-base --random --config num_queries=50",
)
add_command(
    app,
    "run",
    run.run,
    f"run {ARTEFACT} {CLIP} -o overlay.mp4",
    f"run {ARTEFACT} 0 --json-lines tracks.jsonl --association slots",
)
add_command(app, "profile", profile.profile, "profile mobileinst-topformer-base", "profile --paper-tables")
add_command(app, "train", train.train, "train synth-frames", "train coco --set run.output=runs/mine --resume")
add_command(
    app, "eval", eval.evaluate, f"eval --metric ytvis --gt {VAL} --results results.json --json figures.json"
)
add_command(app, "info", info.info, f"info {ARTEFACT}", "info runs/coco/model.safetensors")
add_command(app, "list", list_command.list_names, "list")

bench_app = typer.Typer(cls=Group, no_args_is_help=True, help="Measure an artefact: accuracy and latency.")
add_command(
    bench_app,
    "accuracy",
    bench_accuracy.accuracy,
    f"bench accuracy {ARTEFACT} --metric ytvis --dataset {VAL}",
    f"bench accuracy --checkpoint runs/coco/model.safetensors --metric coco --dataset {VAL}",
)
add_command(
    bench_app,
    "latency",
    bench_latency.latency,
    f"bench latency {ARTEFACT} --device ssh:pi@board --cpus big",
    f"bench latency {ARTEFACT} {ONNX} --interleave --source {CLIP}",
)
add_command(
    bench_app, "compare", bench_latency.compare, "bench compare new.json old.json", "bench compare pair.json"
)
add_command(bench_app, "paper", bench_paper.paper, "bench paper --tables 1,7 --device ssh:pi@board")
add_command(
    bench_app,
    "routing",
    bench_routing.routing,
    f"bench routing minvis-tar-tiny_256x512_fp32.tflite --dataset {VAL} --layers 3",
)
app.add_typer(bench_app, name="bench")
app.add_typer(devices.app, name="devices")

data_app = typer.Typer(cls=Group, no_args_is_help=True, help="Draw synthetic sets; look at any set.")
add_command(data_app, "synth", data.synth, "data synth datasets/mine --videos 20 --frames 12")
add_command(data_app, "show", data.show, f"data show {VAL} --images JPEGImages -o sheet.png")
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
