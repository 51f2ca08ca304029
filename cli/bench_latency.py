"""``mobilevis bench latency`` and ``mobilevis bench compare``."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from mobilevis.cli.options import (
    CpusOption,
    DeviceOption,
    DriverOption,
    EngineOption,
    JsonOption,
    KeyframeOption,
    PolicyOption,
    ProtocolOption,
    PythonOption,
    ScratchOption,
    SourceOption,
    SshConfigOption,
    ThreadsOption,
    VerifyOption,
    driver_options,
)
from mobilevis.runtime.formats import FORMATS, describe_formats, join_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from mobilevis.benchmarks.latency.bench import Plan
    from mobilevis.benchmarks.latency.session import OnEvent

SUFFIXES = join_words(form.suffix for form in FORMATS.values())


def latency(
    artefacts: Annotated[
        Optional[list[Path]],
        typer.Argument(metavar="ARTEFACT...", help=f"Each {describe_formats()}."),
    ] = None,
    device: DeviceOption = "local",
    cpus: CpusOption = "all",
    threads: ThreadsOption = 1,
    protocol: ProtocolOption = "standard",
    keyframe_interval: KeyframeOption = None,
    keyframe_policy: PolicyOption = None,
    score_threshold: Annotated[
        Optional[float],
        typer.Option(min=0, max=1, metavar="P", help="Of instances; 0 fills every slot (random weights)."),
    ] = None,
    option: DriverOption = None,
    source: SourceOption = None,
    baseline: Annotated[
        Optional[list[Path]],
        typer.Option(metavar="FILE", help=f"Plain {SUFFIXES} to time beside; repeatable."),
    ] = None,
    against: Annotated[
        Optional[list[Path]],
        typer.Option(
            metavar="FILE",
            help=f"Plain {SUFFIXES} to step in turn with, for the ratio of time; repeatable.",
        ),
    ] = None,
    engine: EngineOption = None,
    interleave: Annotated[
        bool, typer.Option("--interleave", help="Step A B A B, for paired ratios.")
    ] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Add a pass for the peak memory.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Add a pass with the engine's profiler.")
    ] = False,
    json_path: JsonOption = None,
    csv_path: Annotated[
        Optional[Path], typer.Option("--csv", metavar="FILE", help="Write the statistics as CSV.")
    ] = None,
    html_path: Annotated[
        Optional[Path], typer.Option("--html", metavar="FILE", help="Write a page with plots.")
    ] = None,
    verify: VerifyOption = True,
    python: PythonOption = None,
    scratch: ScratchOption = None,
    ssh_config: SshConfigOption = None,
) -> None:
    """Measure latency on a device, on named cores, stage by stage, and say whether to believe it."""
    from rich.console import Console

    from mobilevis.benchmarks.latency.bench import Plan, run_plan
    from mobilevis.benchmarks.latency.report.csv_table import to_csv
    from mobilevis.benchmarks.latency.transports.base import Access
    from mobilevis.benchmarks.latency.transports.registry import open_device
    from mobilevis.benchmarks.latency.worker.protocol import find_protocol
    from mobilevis.cli.console import print_written
    from mobilevis.cli.latency_report import print_report, wide_console
    from mobilevis.runtime.files import atomic_path
    from mobilevis.runtime.outputs import check_outputs
    from mobilevis.runtime.special_files import writes_to_stdout

    if html_path is not None:  # its plots need SciPy, of the extra `data`: said before the measurement
        from mobilevis.benchmarks.latency.report.page import to_html
    outputs = {"--json": json_path, "--csv": csv_path, "--html": html_path}
    named: dict[str, Any] = {"keyframe_interval": keyframe_interval, "keyframe_policy": keyframe_policy}
    named["score_threshold"] = score_threshold
    plan = Plan(
        artefacts=tuple(artefacts or ()),
        baselines=(*(baseline or ()), *(against or ())),
        protocol=find_protocol(protocol),
        engine=engine,
        cpus=cpus,
        threads=threads,
        source=source,
        driver_options=driver_options(named, option),
        interleave=interleave or bool(against),
        memory=memory,
        profile=profile,
        verify=verify,
        command=["mobilevis", *sys.argv[1:]],
    )
    inputs = {f"{path}": path for path in (*plan.artefacts, *plan.baselines, *([source] if source else []))}
    check_outputs(outputs, inputs)
    transport = open_device(device, Access(python, scratch, ssh_config))
    with ExitStack() as stack:  # opened first: a place that cannot be written fails before the measurement
        files = {name: stack.enter_context(atomic_path(path)) for name, path in outputs.items() if path}
        with progress_of(Console(stderr=True)) as progress:
            report, error = run_plan(transport, plan, follow(progress, plan))
        writers = {"--json": lambda: report.to_json() + "\n", "--csv": lambda: to_csv(report)}
        writers["--html"] = lambda: to_html(report)
        for name, file in files.items():
            file.write_text(writers[name](), encoding="utf-8")
    console = wide_console(stderr=any(path and writes_to_stdout(path) for path in outputs.values()))
    print_report(console, report)
    print_written(console, outputs.values())
    if error is not None:
        raise error


def compare(
    first: Annotated[Path, typer.Argument(metavar="JSON", help="A run; numerators.")],
    second: Annotated[
        Optional[Path],
        typer.Argument(metavar="JSON", help="Another; without it, the pairs of one interleaved run."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare unlike measurements, with warnings.")
    ] = False,
) -> None:
    """Print the ratios of two results with their 95 % intervals; unlike measurements are refused."""
    from mobilevis.benchmarks.latency.report.compare import compare_reports, compare_within
    from mobilevis.benchmarks.latency.report.schema import load_report
    from mobilevis.cli.latency_report import print_comparisons, wide_console
    from mobilevis.runtime.errors import UserError

    report = load_report(first)
    comparisons = (
        compare_within(report) if second is None else compare_reports(report, load_report(second), force)
    )
    if not comparisons:
        raise UserError("nothing was timed on both sides", second or first, "measure again")
    print_comparisons(wide_console(), comparisons)


def progress_of(console: Console) -> Progress:
    """Drawn once a second: on this very machine, a livelier bar would be among the other CPU users."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    hidden = not console.is_terminal
    return Progress(*columns, console=console, transient=True, refresh_per_second=1, disable=hidden)


def follow(progress: Progress, plan: Plan) -> OnEvent:
    """Follow the journal: one bar for each artefact and workload, full when the protocol is served."""
    names = [path.name for path in (*plan.artefacts, *plan.baselines)]
    bars: dict[tuple[int, str], TaskID] = {}
    runs: dict[tuple[int, str], int] = defaultdict(int)
    starts: dict[tuple[int, str], float] = {}

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] != "samples" or not event["at_s"]:
            return
        key = event["target"], event["kind"]
        if key not in bars:
            bars[key] = progress.add_task(f"{names[key[0]]}: {key[1]}", total=1.0)
            starts[key] = event["at_s"][0]
        runs[key] += len(event["at_s"])
        seconds = event["at_s"][-1] - starts[key]
        shares = runs[key] / plan.protocol.min_runs, seconds / max(plan.protocol.min_seconds, 1e-9)
        progress.update(bars[key], completed=min(*shares, 1.0))

    return on_event
