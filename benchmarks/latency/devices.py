"""Devices by address, ``local``, ``ssh:USER@HOST[:PORT]`` or ``adb[:SERIAL]``: what is there, what it has."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from mobilevis.benchmarks.latency.session import no_python
from mobilevis.benchmarks.latency.transports.adb import AdbTransport, list_devices
from mobilevis.benchmarks.latency.transports.base import Transport
from mobilevis.benchmarks.latency.transports.local import LocalTransport
from mobilevis.benchmarks.latency.transports.ssh import SshTransport
from mobilevis.benchmarks.latency.worker.cpus import TOPOLOGY_GLOBS, Topology, named_masks, parse_topology
from mobilevis.benchmarks.latency.worker.environment import (
    IDENTITY_GLOBS,
    SNAPSHOT_GLOBS,
    parse_identity,
    parse_snapshot,
)
from mobilevis.benchmarks.latency.worker.packages import ALL_DISTRIBUTIONS, ENGINE_DISTRIBUTIONS
from mobilevis.runtime.errors import UserError

# Old enough for any Python 3: the answer says how old it is.
PROBE = """\
import json, sys, platform
found = {}
try:
    from importlib.metadata import version
    for name in sys.argv[1:]:
        try: found[name] = version(name)
        except Exception: pass
except ImportError: pass
print(json.dumps({"python": platform.python_version(), "machine": platform.machine(),
                  "executable": sys.executable, "packages": found}))
"""


@dataclass(frozen=True)
class PythonFacts:
    """The Python of a device: version, path, machine, and packages with their versions."""

    version: str
    executable: str
    machine: str
    packages: Mapping[str, str]

    @property
    def engines(self) -> dict[str, Optional[str]]:
        """Engine → the distribution and version that serves it; None where it is missing."""
        found: dict[str, Optional[str]] = {}
        for engine, names in ENGINE_DISTRIBUTIONS.items():
            installed = [f"{name} {self.packages[name]}" for name in names if name in self.packages]
            found[engine] = installed[0] if installed else None
        return found

    def pip_line(self, engine: str) -> str:
        """The line that installs what the worker needs for an engine and lacks."""
        wanted = ["numpy", ENGINE_DISTRIBUTIONS[engine][0]]
        missing = [name for name in wanted if name not in self.packages]
        return " ".join([self.executable, "-m", "pip", "install", *missing])


@dataclass(frozen=True)
class DeviceFacts:
    """What ``mobilevis devices show`` prints.

    Attributes:
        names: ``prime``, ``big`` … → CPUs.
        python: None where the device has none; ``missing`` then says what to do.
    """

    address: str
    identity: Mapping[str, str]
    topology: Topology
    names: Mapping[str, tuple[int, ...]]
    governors: Mapping[str, str]
    temperatures_c: Mapping[str, float]
    python: Optional[PythonFacts]
    missing: str = ""


def open_device(
    address: str,
    python: Optional[str] = None,
    scratch: Optional[str] = None,
    ssh_config: Optional[Path] = None,
) -> Transport:
    """The transport of an address.

    Args:
        address: ``local``, ``ssh:USER@HOST[:PORT]`` or ``adb[:SERIAL]``.
        python: the Python there, where it is not the usual one.
        scratch: a folder there for temporary folders, where it is not the usual one.
        ssh_config: for ssh, another configuration than the user's.

    Raises:
        UserError: the address is none of these, or adb has no such device.
    """
    kind, _, rest = address.partition(":")
    options: dict[str, Any] = {"python": python, "scratch": scratch}
    options = {name: value for name, value in options.items() if value is not None}
    if address == "local":
        return LocalTransport(**options)
    if kind == "ssh" and rest:
        return SshTransport(rest, config=ssh_config, **options)
    if kind == "adb":
        return AdbTransport(rest or None, **options)
    raise UserError(f"device {address} is not known", fix="give local, ssh:USER@HOST[:PORT] or adb[:SERIAL]")


def list_addresses(
    ssh_hosts: tuple[str, ...] = (), ssh_config: Optional[Path] = None
) -> list[tuple[str, str]]:
    """(address, state) of this machine, of what adb knows, and of the given ssh hosts, each tried once."""
    found = [("local", "ready")]
    if shutil.which("adb") is None:
        found.append(("adb", "adb is not installed"))
    else:
        ready = {"device": "ready"}
        found += [
            (f"adb:{device.serial}", f"{ready.get(device.state, device.state)} {device.model}".strip())
            for device in list_devices()
        ]
    for host in ssh_hosts:
        try:
            SshTransport(host, ssh_config).run(["true"])
            found.append((f"ssh:{host}", "ready"))
        except UserError as error:
            found.append((f"ssh:{host}", error.what))
    return found


def describe_device(transport: Transport) -> DeviceFacts:
    """Look at a device: cores, governors, temperatures, Python and engines.

    Raises:
        UserError: it is out of reach.
    """
    files = transport.read([*TOPOLOGY_GLOBS, *SNAPSHOT_GLOBS, *IDENTITY_GLOBS])
    topology = parse_topology(files)
    snapshot = parse_snapshot(files)
    try:
        python: Optional[PythonFacts] = find_python(transport)
        missing = ""
    except UserError as error:
        python, missing = None, str(error)
    return DeviceFacts(
        address=transport.address,
        identity=parse_identity(files, {}),
        topology=topology,
        names=named_masks(topology),
        governors=snapshot.governors,
        temperatures_c=snapshot.temperatures_c,
        python=python,
        missing=missing,
    )


def find_python(transport: Transport) -> PythonFacts:
    """The device's Python and what is installed for it.

    Raises:
        UserError: there is none.
    """
    try:
        done = transport.run([transport.python, "-c", PROBE, *ALL_DISTRIBUTIONS])
        raw = json.loads((done.stdout.strip().splitlines() or [""])[-1]) if done.status == 0 else None
        if raw is None:
            raise no_python(transport)
        texts = [raw[name] for name in ("python", "executable", "machine")]
        if not all(isinstance(text, str) for text in [*texts, *raw["packages"].values()]):
            raise TypeError("a fact is no text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{transport.python} does not answer as Python does", transport.address) from error
    version, executable, machine = texts
    return PythonFacts(version, executable, machine, raw["packages"])
