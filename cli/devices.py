"""``mobilevis devices``: what can be measured on, and what each device has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mobilevis.benchmarks.latency.transports.registry import describe_addresses
from mobilevis.cli.commands import Group, add_command
from mobilevis.cli.console import plain

if TYPE_CHECKING:
    from rich.console import Console

    from mobilevis.benchmarks.latency.devices import DeviceFacts

app = typer.Typer(cls=Group, help="Devices that latency can be measured on.", invoke_without_command=True)

SshConfig = Annotated[
    Optional[Path], typer.Option("--ssh-config", metavar="FILE", help="Instead of your own ~/.ssh/config.")
]


@app.callback()
def list_devices(
    context: typer.Context,
    ssh: Annotated[
        Optional[list[str]], typer.Option(metavar="USER@HOST[:PORT]", help="Try this host too; repeatable.")
    ] = None,
    ssh_config: SshConfig = None,
) -> None:
    """List what is reachable: this machine, what adb knows, and the ssh hosts that are given."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from mobilevis.benchmarks.latency.transports.base import Access
    from mobilevis.benchmarks.latency.transports.registry import list_addresses

    table = Table("device", "state")
    for address, state in list_addresses(Access(ssh_config=ssh_config, ssh_hosts=tuple(ssh or ()))):
        table.add_row(plain(address), plain(state))
    Console().print(table)


def show_device(
    device: Annotated[str, typer.Argument(metavar="ADDRESS", help=f"{describe_addresses()}.")],
    python: Annotated[Optional[str], typer.Option(metavar="PROGRAM", help="The Python there.")] = None,
    ssh_config: SshConfig = None,
) -> None:
    """Show a device's CPUs, clocks and temperatures, its Python, and how to install a missing engine."""
    from rich.console import Console

    from mobilevis.benchmarks.latency.devices import describe_device
    from mobilevis.benchmarks.latency.transports.base import Access
    from mobilevis.benchmarks.latency.transports.registry import open_device

    opened = open_device(device, Access(python=python, ssh_config=ssh_config))
    _print_facts(Console(), describe_device(opened))


add_command(app, "show", show_device, "devices show ssh:pi@board")


def _print_facts(console: Console, facts: DeviceFacts) -> None:
    from rich.table import Table

    from mobilevis.benchmarks.latency.worker.cpus import cpus_to_mask, format_cpus

    model = ", ".join(facts.identity[key] for key in ("model", "cpu") if key in facts.identity)
    console.print(f"[bold]{plain(facts.address)}[/]: {plain(model or 'model not shown by this device')}")
    table = Table("CPUs", "mask", "highest clock", "capacity", "governor", "--cpus")
    for cluster in reversed(facts.topology.clusters):
        governors = {facts.governors.get(str(cpu), "not shown") for cpu in cluster.cpus}
        names = [name for name, cpus in sorted(facts.names.items()) if set(cluster.cpus) <= set(cpus)]
        table.add_row(
            format_cpus(cluster.cpus),
            hex(cpus_to_mask(cluster.cpus)),
            f"{cluster.max_khz / 1e6:.2f} GHz" if cluster.max_khz else "not shown",
            str(cluster.capacity or "not shown"),
            plain(", ".join(sorted(governors))),
            ", ".join(names),
        )
    console.print(table)
    heat = [f"{zone} {degrees:.1f} °C" for zone, degrees in facts.temperatures_c.items()]
    console.print(f"temperatures: {plain(', '.join(heat) or 'not shown by this device')}")
    for name, obstacle in facts.workers.items():
        console.print(plain(f"{name} worker: {obstacle or 'can run'}"), soft_wrap=True)
    if facts.python is None:
        console.print(plain(facts.missing), soft_wrap=True)
        return
    found = facts.python
    console.print(plain(f"Python {found.version} on {found.machine}: {found.executable}"))
    for engine, installed in facts.python.engines.items():
        words = installed or f"missing; install it there with: {facts.python.pip_line(engine)}"
        console.print(plain(f"  {engine}: {words}"), soft_wrap=True)
