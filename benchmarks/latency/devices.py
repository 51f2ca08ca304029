"""What a device has: cores, clocks, temperatures, Python and engines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from mobilevis.benchmarks.latency.session import no_python
from mobilevis.benchmarks.latency.transports.base import Transport
from mobilevis.benchmarks.latency.worker.cpus import TOPOLOGY_GLOBS, Topology, name_masks, parse_topology
from mobilevis.benchmarks.latency.worker.environment import (
    IDENTITY_GLOBS,
    SNAPSHOT_GLOBS,
    parse_identity,
    parse_snapshot,
)
from mobilevis.benchmarks.latency.worker.packages import ALL_DISTRIBUTIONS
from mobilevis.benchmarks.latency.workers import find_workers
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES

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
        for name, engine in ENGINES.items():
            serving = [package for package in engine.distributions if package in self.packages]
            found[name] = f"{serving[0]} {self.packages[serving[0]]}" if serving else None
        return found

    def pip_line(self, engine: str) -> str:
        """The line that installs what the worker needs for an engine and lacks."""
        wanted = ["numpy", ENGINES[engine].distributions[0]]
        missing = [name for name in wanted if name not in self.packages]
        return " ".join([self.executable, "-m", "pip", "install", *missing])


@dataclass(frozen=True)
class DeviceFacts:
    """What ``mobilevis devices show`` prints.

    Attributes:
        names: ``prime``, ``big`` … → CPUs.
        python: None where the device has none; ``missing`` then says what to do.
        workers: program that measures → why it cannot run there, or None.
    """

    address: str
    identity: Mapping[str, str]
    topology: Topology
    names: Mapping[str, tuple[int, ...]]
    governors: Mapping[str, str]
    temperatures_c: Mapping[str, float]
    python: Optional[PythonFacts]
    workers: Mapping[str, Optional[str]]
    missing: str = ""


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
        names=name_masks(topology),
        governors=snapshot.governors,
        temperatures_c=snapshot.temperatures_c,
        python=python,
        workers=find_workers(transport),
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
