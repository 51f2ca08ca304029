"""The ``mobilevis`` command: sub-commands are thin modules beside this one."""

from __future__ import annotations

import importlib.metadata
import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Optional

import typer

from mobilevis.cli import (
    bench_accuracy,
    bench_latency,
    bench_paper,
    bench_routing,
    bench_soak,
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
from mobilevis.cli.extras import extra_with
from mobilevis.cli.signals import interrupt_on_signals
from mobilevis.runtime.engines.telemetry import switch_off_telemetry
from mobilevis.runtime.errors import UserError, missing_extra, printable

INTERRUPTED = 130  # Typer's exit code for KeyboardInterrupt

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
    f"run runs/coco/model.safetensors {CLIP} -o overlay.mp4 --legend",
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
add_command(
    bench_app,
    "soak",
    bench_soak.soak,
    f"bench soak {ARTEFACT} {ONNX}",
    f"bench soak {ARTEFACT} --frames 100000 --device ssh:pi@board --source {CLIP}",
)
app.add_typer(bench_app, name="bench")
app.add_typer(devices.app, name="devices")

data_app = typer.Typer(cls=Group, no_args_is_help=True, help="Draw synthetic sets; look at any set.")
add_command(data_app, "synth", data.synth, "data synth datasets/mine --videos 20 --frames 12")
add_command(data_app, "show", data.show, f"data show {VAL} --images JPEGImages -o sheet.png")
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line; a ``UserError`` becomes one line on stderr and its exit code, mostly 2."""
    # FFmpeg inside OpenCV writes its own lines about broken videos; ours names the file and the remedy.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    switch_off_telemetry()
    # torchao comes with ExecuTorch: it warns of CUDA kernels that nothing here uses, PyTorch of its enums.
    for chatty in ("torchao", "torch.utils._pytree"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):  # a terminal that is not UTF-8 shows escapes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    with interrupt_on_signals() as request:
        try:
            app(args=arguments)
        except SystemExit as end:
            if end.code == INTERRUPTED and request.number is not None:
                sys.exit(128 + request.number)
            raise
        except Exception as error:
            fault = as_user_error(error, arguments)
            if debug or fault is None:
                raise
            print(f"mobilevis: {printable(fault)}", file=sys.stderr)
            sys.exit(fault.exit_code)


def as_user_error(error: Exception, arguments: Sequence[str] = ()) -> Optional[UserError]:
    """What a user can do about an exception that reached the top; None for a fault of ours."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError):
        return UserError("the memory is not enough", fix="give a smaller input, or close other programs")
    if isinstance(error, ModuleNotFoundError) and error.name:
        extra = extra_with(error.name.partition(".")[0], arguments)
        if extra is not None:
            return missing_extra(error.name, extra)
    if isinstance(error, OSError) and error.errno is not None:
        return UserError(os.strerror(error.errno), error.filename, "check the path and its permissions")
    return None


if __name__ == "__main__":
    main()
