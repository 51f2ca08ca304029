"""Exports that many tests read, made once: for the sources as they are, by the process that comes first."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("models", "export", "runtime")
EXPORTED = ("tests/conftest.py", "tests/cli/test_run.py")  # say what is exported
TOOLS = ("torch", "executorch", "litert-torch", "onnx", "onnxruntime", "onnxscript")
SUFFIXES = {"_onnx": "onnxruntime", ".pte": "executorch", ".tflite": "litert"}


class ExportCache:
    """A folder of exports that outlives the run; workers of one run share it too.

    Args:
        folder: of the cache.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _fingerprint()
        self._folder.mkdir(parents=True, exist_ok=True)
        for other in folder.iterdir():
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)

    def get(self, name: str, export: Callable[[Path], object]) -> Path:
        """The folder that ``export`` wrote under this name, with these sources.

        Args:
            name: says what is exported, configuration and all.
            export: writes into the empty folder that it is given.
        """
        folder = self._folder / name
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = self._folder / f"{name}.{os.getpid()}"
                unfinished.mkdir()
                export(unfinished)
                unfinished.rename(folder)
        return folder


def by_engine(folder: Path) -> dict[str, Path]:
    """Engine → the artefact that it reads, of a folder that ``export_model`` wrote."""
    return {
        engine: path
        for path in sorted(folder.iterdir())
        for suffix, engine in SUFFIXES.items()
        if path.name.endswith(suffix)
    }


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for tool in TOOLS:
        digest.update(f"{tool} {version(tool)}\n".encode())
    sources = [file for source in SOURCES for file in sorted((ROOT / source).rglob("*.py"))]
    for file in [*sources, *(ROOT / name for name in EXPORTED)]:
        digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
