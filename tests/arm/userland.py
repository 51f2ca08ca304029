"""An ARM userland on an x86-64 Debian machine: aarch64 Python and engines under user-mode QEMU.

For checking that the ARM builds of the engines give the right outputs, where no board is at hand. Emulation
is 100 to 550 times slower than a CPU and knows no caches or pipelines: nothing timed in it is a latency.

``python -m tests.arm.userland FOLDER`` builds it and prints the Python to give to
``mobilevis bench latency --device local --python``.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path

# Debian 12's QEMU 7.2 crashes inside ONNX Runtime 1.31 and LiteRT 2.3; trixie's 10.0 runs them.
SUITE = "trixie"
MIRROR = "http://deb.debian.org/debian"
PYTHON_VERSION = "3.13"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
QEMU = Path("host", "usr", "bin", "qemu-aarch64")
PACKAGES = (f"python{PYTHON_VERSION}", "libstdc++6")
WHEELS = ("numpy", "onnxruntime", "ai-edge-litert")
PLATFORMS = (*(f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 17)), "manylinux2014_aarch64")
# Cortex-A76 and A55 have fp16 and dot products and no i8mm, as both kinds of core of a Snapdragon 778G.
CPU = "cortex-a76"
# A fixed hash seed: with a random one, Python itself executes other instructions in every run.
PYTHON_SETTINGS = ("PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0")


@dataclass(frozen=True)
class Userland:
    """An unpacked userland.

    Attributes:
        qemu: the emulator.
        root: the Debian packages.
        site: the wheels.
        python: a script that starts the emulated Python.
    """

    folder: Path

    @property
    def qemu(self) -> Path:
        return self.folder / QEMU

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def site(self) -> Path:
        return self.folder / "site"

    @property
    def python(self) -> Path:
        return self.folder / "python"

    def version(self, wheel: str) -> str:
        """Of a wheel, by pip's name."""
        (found,) = distributions(name=wheel, path=[str(self.site)])
        return found.version

    def command(self, *qemu_options: str, cpu: str = CPU) -> list[str]:
        """The command line that starts the emulated Python on a core, with more options for the emulator."""
        environment = [f"PYTHONHOME={self.root}/usr", f"PYTHONPATH={self.site}", *PYTHON_SETTINGS]
        settings = [word for setting in environment for word in ("-E", setting)]
        binary = self.root / "usr" / "bin" / f"python{PYTHON_VERSION}"
        return [str(self.qemu), "-cpu", cpu, "-L", str(self.root), *settings, *qemu_options, str(binary)]


def obstacle() -> str:
    """Why no userland can be made here; empty where it can."""
    if platform.machine() != "x86_64":
        return f"the emulator is for x86-64, this machine is {platform.machine()}"
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found: the packages come from Debian"
    return "" if KEYRING.exists() else f"{KEYRING} not found: Debian's packages could not be verified"


def build_userland(folder: Path, mirror: str = MIRROR) -> Userland:
    """Download and unpack the userland, some 200 MB, or take what is there; needs no root.

    Args:
        folder: where it is kept.
        mirror: of Debian.

    Raises:
        UserError: it cannot be made on this machine, or a download failed.
    """
    userland = Userland(folder.resolve())
    if userland.python.exists():
        return userland
    reason = obstacle()
    if reason:
        raise UserError(f"no ARM userland here: {reason}", fix="use an ARM board over ssh")
    apt = Apt(folder.resolve() / "apt", mirror)
    apt.update()
    unpack_root(apt, PACKAGES, userland.root)
    unpack_qemu(apt, userland.folder)
    _install_wheels(userland.site)
    shutil.rmtree(apt.folder)
    with atomic_path(userland.python) as script:
        words = " ".join(f"'{word}'" for word in userland.command())
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        script.chmod(0o755)
    return userland


class Apt:
    """An apt of its own: nothing of the machine's package state is read or changed."""

    def __init__(self, folder: Path, mirror: str = MIRROR) -> None:
        self.folder = folder
        for name in ("state/lists/partial", "cache/archives/partial", "debs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        place = f"[signed-by={KEYRING}] {mirror} {SUITE} main\n"
        (folder / "sources.list").write_text(f"deb {place}deb-src {place}")

    def update(self) -> None:
        """Fetch the lists of packages of both architectures."""
        self._call("arm64", ["apt-get", "update"])

    def download(self, architecture: str, packages: Sequence[str], with_dependencies: bool) -> list[Path]:
        """Fetch packages, with all that they depend on or alone."""
        names = [f"{name}:{architecture}" for name in packages]
        if not with_dependencies:
            self._call(architecture, ["apt-get", "download", *names])
            return sorted((self.folder / "debs").glob(f"{packages[0]}_*.deb"))
        install = ["apt-get", "install", "--yes", "--download-only", "--no-install-recommends", *names]
        self._call(architecture, install)
        return sorted((self.folder / "cache" / "archives").glob("*.deb"))

    def download_source(self, package: str) -> list[Path]:
        """Fetch a package's source: its own archives, without Debian's changes."""
        self._call("amd64", ["apt-get", "source", "--download-only", package])
        return sorted((self.folder / "debs").glob(f"{package}_*.orig.tar.*[!c]"))

    def _call(self, architecture: str, command: Sequence[str]) -> None:
        configuration = self.folder / "apt.conf"
        configuration.write_text(
            f'Dir::State "{self.folder}/state";\n'
            f'Dir::State::status "{self.folder}/status";\n'
            f'Dir::Cache "{self.folder}/cache";\n'
            f'Dir::Etc::sourcelist "{self.folder}/sources.list";\n'
            'Dir::Etc::sourceparts "-";\n'
            f'APT::Architecture "{architecture}";\n'
            'APT::Architectures { "arm64"; "amd64"; };\n'
            'Binary::apt-get::APT::Keep-Downloaded-Packages "true";\n'
            f'APT::Sandbox::User "";\n'
        )
        run_tool(command, cwd=self.folder / "debs", variables={"APT_CONFIG": str(configuration)})


def unpack_root(apt: Apt, packages: Sequence[str], root: Path) -> None:
    """Unpack arm64 packages and all that they depend on; nothing of them is run."""
    for deb in apt.download("arm64", packages, with_dependencies=True):
        run_tool(["dpkg-deb", "-x", str(deb), str(root)])
    # Debian has /lib as a link into /usr, made by a package that only a whole system has.
    for name in ("lib", "bin", "sbin"):
        link = root / name
        if not link.exists():
            link.symlink_to(f"usr/{name}")


def unpack_qemu(apt: Apt, folder: Path) -> None:
    """Unpack the emulator, one static file: ``folder / QEMU``."""
    for deb in apt.download("amd64", ("qemu-user",), with_dependencies=False):
        run_tool(["dpkg-deb", "-x", str(deb), str(folder / "host")])


def _install_wheels(site: Path) -> None:
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    target = ["--python-version", PYTHON_VERSION, "--implementation", "cp", "--target", str(site)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    run_tool([*pip, *platforms, *target, *WHEELS])


def run_tool(
    command: Sequence[str], cwd: Path | None = None, variables: dict[str, str] | None = None
) -> None:
    """Run a program of the machine.

    Raises:
        UserError: it fails; with the last line of what it complained.
    """
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(variables or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        complaint = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{command[0]} fails: {complaint}", fix="check the network and try again")


if __name__ == "__main__":
    print(build_userland(Path(sys.argv[1])).python)
