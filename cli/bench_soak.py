"""``mobilevis bench soak``: whether thousands of frames take what hundreds take."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobilevis.cli.options import (
    CpusOption,
    DeviceOption,
    DriverOption,
    EngineOption,
    JsonOption,
    KeyframeOption,
    PolicyOption,
    PythonOption,
    ScratchOption,
    SourceOption,
    SshConfigOption,
    ThreadsOption,
    VerifyOption,
    driver_options,
)
from mobilevis.runtime.formats import describe_formats

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from mobilevis.benchmarks.latency.session import OnEvent
    from mobilevis.benchmarks.soak.record import SoakRecord


def soak(
    artefacts: Annotated[
        list[Path], typer.Argument(metavar="ARTEFACT...", help=f"Each {describe_formats()}.")
    ],
    frames: Annotated[int, typer.Option(min=1000, help="Frames of one video.")] = 10_000,
    device: DeviceOption = "local",
    cpus: CpusOption = "all",
    threads: ThreadsOption = 1,
    keyframe_interval: KeyframeOption = None,
    keyframe_policy: PolicyOption = None,
    option: DriverOption = None,
    source: SourceOption = None,
    engine: EngineOption = None,
    verify: VerifyOption = True,
    json_path: JsonOption = None,
    python: PythonOption = None,
    scratch: ScratchOption = None,
    ssh_config: SshConfigOption = None,
) -> None:
    """Stream one long video through each artefact: memory, descriptors and threads must stay flat."""
    from rich.console import Console

    from mobilevis.benchmarks.latency.bench import Plan
    from mobilevis.benchmarks.latency.transports.base import Access
    from mobilevis.benchmarks.latency.transports.registry import open_device
    from mobilevis.benchmarks.latency.worker.protocol import find_protocol
    from mobilevis.benchmarks.soak.run import run_soak
    from mobilevis.cli.console import print_written
    from mobilevis.cli.latency_report import wide_console
    from mobilevis.cli.records import as_text, open_record
    from mobilevis.cli.stream import progress_bar
    from mobilevis.runtime.bundled_clip import bundled_clip
    from mobilevis.runtime.special_files import writes_to_stdout

    plan = Plan(
        artefacts=tuple(artefacts),
        protocol=find_protocol("quick"),  # counts frames, not seconds
        engine=engine,
        cpus=cpus,
        threads=threads,
        source=source or bundled_clip(),
        driver_options=driver_options(
            {"keyframe_interval": keyframe_interval, "keyframe_policy": keyframe_policy}, option
        ),
        verify=verify,
        command=["mobilevis", *sys.argv[1:]],
    )
    transport = open_device(device, Access(python, scratch, ssh_config))
    console = wide_console(stderr=json_path is not None and writes_to_stdout(json_path))
    inputs = {str(path): path for path in (*artefacts, plan.source) if path is not None}
    with open_record(json_path, inputs) as write:
        with progress_bar(Console(stderr=True)) as progress:
            record, error = run_soak(transport, plan, frames, _follow(progress, plan.artefacts, frames))
        _print(console, record)
        write(as_text(record.to_dict()))
    print_written(console, [json_path])
    if error is not None:
        raise error
    if not record.flat:
        raise typer.Exit(1)


def _follow(progress: Progress, artefacts: Sequence[Path], frames: int) -> OnEvent:
    """One bar for each artefact, by the frames that its process has streamed."""
    bars: list[TaskID] = []

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] == "start":
            bars.append(progress.add_task(artefacts[len(bars)].name, total=frames))
        elif event["event"] == "held" and isinstance(event.get("frames"), int):
            progress.update(bars[-1], completed=event["frames"])

    return on_event


def _print(console: Console, record: SoakRecord) -> None:
    from mobilevis.benchmarks.soak.record import soak_table
    from mobilevis.cli.console import plain
    from mobilevis.cli.latency_report import print_table

    print_table(console, soak_table(record.artefacts))
    for result in record.artefacts:
        verdict = "[green]flat[/]" if result.flat else f"[red]not flat[/]: {plain('; '.join(result.reasons))}"
        console.print(f"{plain(result.name)}: {verdict}", soft_wrap=True)
