"""Counts what was tried: a fault is whatever is neither a result nor a ``UserError``."""

from __future__ import annotations

import random
import resource
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Callable

import pytest

from mobilevis.runtime.errors import UserError

SEED = 20
MEMORY = 6 << 30  # address space: engines map some 2 GiB before they read a file


@dataclass
class Trial:
    """What became of the inputs."""

    tried: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def run(self, label: str, action: Callable[..., object], *arguments: Any) -> bool:
        """Try one input; True when it was taken."""
        self.tried += 1
        try:
            action(*arguments)
            return True
        except UserError:
            self.refused += 1
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self.faults.append(
                f"{label}: {type(error).__name__}: {error!s:.80} at {frame.filename}:{frame.lineno}"
            )
        return False


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The test's own generator: the same inputs in any order of the tests."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def trial(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Trial]:
    """Fails for any fault, and prints the counts."""
    trial = Trial()
    yield trial
    with capsys.disabled():
        print(
            f"\n{request.node.name}: "
            f"{trial.tried} inputs, {trial.refused} refused, {len(trial.faults)} faults"
        )
    assert trial.tried > 0
    assert not trial.faults, "\n".join(trial.faults[:20])


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """An input that asks for more ends in a ``MemoryError``, which counts as a fault."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
