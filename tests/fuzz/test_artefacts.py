"""Damaged artefacts: refused in one line, or as good as their own parity vectors say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError

from .conftest import Trial
from .mutations import HOSTILE_TEXTS, Random, mutate_bytes

pytestmark = pytest.mark.fuzz

COUNT = 70
WORKER = Path(__file__).with_name("load_artefacts.py")
METADATA = re.compile(rb'\{"checkpoint_sha256":.{200}', re.DOTALL)


def damage(data: bytes, chance: Random) -> bytes:
    """Change bytes anywhere; or, as often, within the metadata, which the digests leave out."""
    found = METADATA.search(data)
    if found is None or chance.random() < 0.5:
        return mutate_bytes(data, chance)
    start = found.start()
    end = min(len(data), start + 3000)
    place = chance.randrange(start, end)
    value = chance.choice(HOSTILE_TEXTS).encode("utf-8", "replace")[: end - place] or b"\x8c"
    return data[:place] + value + data[place + len(value) :]


def copy_damaged(artefact: Path, target: Path, chance: Random) -> None:
    if artefact.is_dir():
        shutil.copytree(artefact, target)
        victim = chance.choice(sorted(target.iterdir()))
        victim.write_bytes(damage(victim.read_bytes(), chance))
    else:
        target.write_bytes(damage(artefact.read_bytes(), chance))


class Loader:
    """The worker, begun again when a file has ended it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def load(self, path: Path) -> str:
        """What the worker says of a file, or the signal that ended it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        if not line:
            status = self.process.wait()
            self._start()
            return f"the process ended with {status}"
        return line.strip("'\"")


@pytest.mark.parametrize("engine", ["onnxruntime", "litert", "executorch"])
def test_a_damaged_artefact(
    engine: str, artefacts: dict[str, Path], chance: Random, trial: Trial, tmp_path: Path
) -> None:
    loader = Loader()

    def check(path: Path) -> None:
        said = loader.load(path)
        if said == "refused":
            raise UserError("refused")
        if said != "whole":
            raise AssertionError(said)

    try:
        assert trial.run("the whole artefact", check, artefacts[engine]), trial.faults
        for number in range(COUNT):
            path = tmp_path / f"{number}{artefacts[engine].suffix}"
            copy_damaged(artefacts[engine], path, chance)
            trial.run(f"{engine} {number}", check, path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    finally:
        loader.process.kill()
        loader.process.wait()
