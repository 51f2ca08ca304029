"""Instructions of an entry on ARM, counted under user-mode QEMU: the same figure on every machine.

Instructions are not cycles and not time; they are printed as instructions, and guard against regressions.
Debian packages no QEMU with plugins, so one is built from Debian's own source, once, in some minutes.

``python -m tests.arm.instructions FOLDER ARTEFACT --cpu NAME --json FILE`` counts every entry of an artefact.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mobilevis.benchmarks.latency.bundle import build_worker
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path, sha256_of
from mobilevis.runtime.formats import ENGINES
from tests.arm.userland import CPU, Apt, Userland, build_userland, run_tool

TOOLS = ("gcc", "ninja", "pkg-config")
BUILD_PACKAGES = ("meson==1.5.0", "pycotap", "setuptools")
CONFIGURATION = (
    "--target-list=aarch64-linux-user",
    "--enable-plugins",
    "--without-default-features",
    "--disable-install-blobs",  # Debian's source holds no firmware
    "--disable-system",
    "--disable-tools",
    "--disable-docs",
    "--disable-werror",
    # Compiles in 0.45 of the time of -O2 -g; the emulated programs run 5 to 25 % longer.
    "--disable-debug-info",
    "-Doptimization=1",
)
# Runs an entry so many times, after once to let the engine allocate; nothing else differs between two counts.
SCRIPT = """\
import sys
sys.path.insert(0, sys.argv[1])
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.parity_vectors import pseudo_random_inputs
artefact, entry = load_artefact(sys.argv[2]), sys.argv[3]
inputs = pseudo_random_inputs(artefact.metadata, entry)
for _ in range(1 + int(sys.argv[4])):
    artefact.run(entry, inputs)
"""
RUNS = (2, 20)  # a large entry needs few, and so few say nothing of a small one
ENOUGH = 600_000_000  # instructions, 200 times the difference between two starts
MAX_RUNS = 10_000


@dataclass(frozen=True)
class Counter:
    """A QEMU with plugins, and its plugin that counts instructions."""

    qemu: Path
    plugin: Path


def obstacle() -> str:
    """Why no counter can be built here; empty where it can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not found"
    glib = subprocess.run(["pkg-config", "--exists", "glib-2.0"], check=False)
    return "" if glib.returncode == 0 else "the headers of GLib are not installed (libglib2.0-dev)"


def build_counter(folder: Path) -> Counter:
    """Build QEMU with its counting plugin, or take what is there.

    Args:
        folder: where it is kept.

    Raises:
        UserError: something that the build needs is missing, or it fails.
    """
    folder = folder.resolve()
    build = folder / "build"
    counter = Counter(build / "qemu-aarch64", build / "tests" / "tcg" / "plugins" / "libinsn.so")
    if counter.qemu.exists() and counter.plugin.exists():
        return counter
    reason = obstacle()
    if reason:
        raise UserError(f"no instruction counter here: {reason}", fix="install what is missing")
    apt = Apt(folder / "apt")
    apt.update()
    (archive,) = apt.download_source("qemu")
    source = folder / "source"
    for path in (source, build):
        path.mkdir(parents=True, exist_ok=True)
    run_tool(["tar", "-xf", str(archive), "-C", str(source), "--strip-components=1"])
    run_tool([sys.executable, "-m", "venv", str(folder / "venv")])
    python = folder / "venv" / "bin" / "python"
    run_tool([str(python), "-m", "pip", "install", "--quiet", *BUILD_PACKAGES])
    run_tool([str(source / "configure"), f"--python={python}", *CONFIGURATION], cwd=build)
    run_tool(["ninja", counter.qemu.name, str(counter.plugin.relative_to(build))], cwd=build)
    for path in (source, apt.folder):
        shutil.rmtree(path)
    return counter


def count_entries(
    userland: Userland,
    counter: Counter,
    artefact: Path,
    entries: Sequence[str],
    cpu: str = CPU,
    tries: Sequence[int] = RUNS,
) -> dict[str, int]:
    """Instructions of one run of each entry: the difference between some runs and none, by their number.

    Two starts of Python differ by some millions of instructions, so that a small entry is run more often.

    Args:
        userland: with the engine.
        counter: the emulator.
        artefact: of that engine.
        entries: of the artefact.
        cpu: the core that is emulated, by QEMU's name; engines choose their kernels by what it can do.
        tries: runs, until so many are enough; where none are, as many follow as the last say.

    Raises:
        UserError: the emulated engine fails.
    """
    command = [*userland.command(cpu=cpu)[1:], "-c", SCRIPT]

    def count(entry: str, runs: int) -> int:
        return _count_process(counter, command, artefact, entry, runs)

    found = {}
    for entry in entries:
        start = count(entry, 0)
        for runs in tries:
            more = count(entry, runs) - start
            if more >= ENOUGH:
                break
        else:
            runs = min(MAX_RUNS, round(ENOUGH * runs / max(1, more)))
            more = count(entry, runs) - start
        found[entry] = round(more / runs)
    return found


def _count_process(counter: Counter, command: Sequence[str], artefact: Path, entry: str, runs: int) -> int:
    """Instructions of a whole process that runs an entry so many times."""
    with TemporaryDirectory() as folder:
        worker = build_worker(Path(folder, "worker.pyz"))
        out = Path(folder, "count.txt")
        plugin = ["-plugin", f"{counter.plugin},inline=on", "-d", "plugin", "-D", str(out)]
        asked = [str(worker), str(artefact.resolve()), entry, str(runs)]
        run_tool([str(counter.qemu), *plugin, *command, *asked])
        return parse_total(out.read_text())


def parse_total(text: str) -> int:
    """The total that the plugin prints.

    Raises:
        UserError: there is none.
    """
    found = re.search(r"^total insns: (\d+)$", text, re.MULTILINE)
    if found is None:
        raise UserError("the counting plugin printed no total", fix="build it again")
    return int(found[1])


def write_record(
    path: Path, artefact: Artefact, userland: Userland, cpu: str, instructions: Mapping[str, int]
) -> None:
    """Write what was counted, of what, with which version of the engine: another one may count otherwise."""
    wheel = ENGINES[artefact.engine].distributions[0]
    record = {
        "kind": "mobilevis.instructions",
        "cpu": cpu,
        "engine": {"name": artefact.engine, "version": userland.version(wheel)},
        "artefact": {
            "file": artefact.path.name,
            "precision": artefact.metadata.precision,
            "sha256": sha256_of(artefact.path),
        },
        "instructions": dict(instructions),
    }
    with atomic_path(path) as unfinished:
        unfinished.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Print the instructions of every entry of an artefact, and record them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where userland and emulator are kept, or made")
    parser.add_argument("artefact", type=Path)
    parser.add_argument("--cpu", default=CPU, help="a core by QEMU's name")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    userland = build_userland(arguments.folder / "userland")
    counter = build_counter(arguments.folder / "counter")
    artefact = load_artefact(arguments.artefact)
    found = count_entries(userland, counter, artefact.path, list(artefact.metadata.entries), arguments.cpu)
    for entry, count in found.items():
        print(f"{entry}: {count:,} instructions")
    if arguments.json:
        write_record(arguments.json, artefact, userland, arguments.cpu, found)


if __name__ == "__main__":
    main()
