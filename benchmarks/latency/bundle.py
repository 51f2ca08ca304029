"""The worker as one zipapp, for a device that has Python, NumPy and an engine, and nothing of ours."""

from __future__ import annotations

import shutil
import zipapp
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

MAIN = """\
import sys

if sys.version_info < (3, 9):
    sys.exit("the worker needs Python 3.9 or newer, this is %d.%d" % sys.version_info[:2])

from mobilevis.benchmarks.latency.worker.main import main

sys.exit(main(sys.argv[1:]))
"""


def build_worker(target: Path) -> Path:
    """Write the worker's zipapp: the runtime whole, and the worker, all that runs on a device.

    Modules of the runtime that need OpenCV or SciPy come along; they are imported only where those are
    installed. Every folder gets an ``__init__.py`` so that a mobilevis installed on the device cannot mix in.

    Args:
        target: the .pyz file.

    Returns:
        The target.
    """
    runtime, worker = (
        Path(import_module(name).__path__[0])
        for name in ("mobilevis.runtime", "mobilevis.benchmarks.latency.worker")
    )
    ignored = shutil.ignore_patterns("__pycache__", "assets")
    with TemporaryDirectory() as folder:
        root = Path(folder, "mobilevis")
        shutil.copytree(runtime, root / "runtime", ignore=ignored)
        here = root / "benchmarks" / "latency"
        shutil.copytree(worker, here / "worker", ignore=ignored)
        for package in (root, root / "benchmarks", here):
            (package / "__init__.py").touch()
        Path(folder, "__main__.py").write_text(MAIN, encoding="utf-8")
        zipapp.create_archive(folder, target, compressed=True)
    return target
