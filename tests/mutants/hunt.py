"""A copy of the sources with a mutant in it, and the tests that are run there."""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutants.mutants import PRODUCT, ROOT, Mutant
from tests.mutants.suite import PYTEST, Suite

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["torch", "transformers", "scipy.optimize", "cv2", "hypothesis.extra.numpy", "typer", "rich.progress"]
)


@dataclass(frozen=True)
class Limits:
    """Of a hunt.

    Attributes:
        jobs: mutants at a time.
        seconds: on the clock, for the tests of one mutant.
        budget: seconds that the tests of one mutant took when they were timed; the cheapest files go first.
    """

    jobs: int
    seconds: float
    budget: float


@contextmanager
def scratch_tree(mutant: Mutant | None) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the tracked files with a mutant in it, and variables that make it ``mobilevis``.

    The command's processes and the tests' must both see it: a folder of links comes first on the path, and no
    process puts its own folder before it.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree, package = Path(folder) / "tree", Path(folder) / "site" / "mobilevis"
        listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
        for name in filter(None, listed.split("\0")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
        package.mkdir(parents=True)
        for name in PRODUCT:
            (package / name).symlink_to(tree / name)
        for file in (tree / "mobilevis").glob("*"):
            (package / file.name).symlink_to(file)
        if mutant is not None:
            path = tree / mutant.file
            path.write_text(path.read_text(encoding="utf-8").replace(mutant.text, mutant.mutated))
        yield tree, {"PYTHONPATH": str(package.parent), "PYTHONSAFEPATH": "1"}


def failures(mutant: Mutant | None, tests: Sequence[str], seconds: float, *options: str) -> list[str] | None:
    """Those of the tests that fail with a mutant, or with none; None when the time was over before."""
    with scratch_tree(mutant) as (tree, variables):
        names, output = tree.parent / "tests.txt", tree.parent / "output.txt"
        names.write_text("\n".join(tests), encoding="utf-8")
        arguments = [*PYTEST, "--tb=no", *options, f"@{names}"]
        process = FORKS.Process(target=_run_pytest, args=(tree, variables, arguments, output))
        process.start()
        process.join(None if math.isinf(seconds) else seconds)
        if process.exitcode is None:
            os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
            return None
        text = output.read_text(encoding="utf-8", errors="replace")
    lines = re.findall(r"^(?:FAILED|ERROR) (.+)$", text, re.MULTILINE)
    if process.exitcode and not lines:
        raise RuntimeError(f"pytest ended with {process.exitcode} and names no test:\n{text[-2000:]}")
    # A line ends in what went wrong, and so may a test's name: a file that cannot be imported is no test.
    return [max((t for t in tests if line.startswith(t)), key=len, default=line) for line in lines]


def _run_pytest(tree: Path, variables: Mapping[str, str], arguments: Sequence[str], output: Path) -> None:
    """In a process of its own, which begins with what takes long to import and nothing of the product."""
    os.setsid()
    os.chdir(tree)
    os.environ.update(variables)
    sys.path[:] = [variables["PYTHONPATH"], *(path for path in sys.path if Path(path) != ROOT)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]  # the copy has its own
    with output.open("w", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        sys.exit(pytest.main(list(arguments)))


def hunt(mutant: Mutant, suite: Suite, limits: Limits, unsound: Collection[str]) -> dict[str, str]:
    """What became of a mutant: killed, and by which test; survived, and which share of them; or out of time.

    Args:
        mutant: to be noticed.
        suite: the tests.
        limits: of the tests that are run.
        unsound: tests that fail without a mutant: they notice nothing.
    """
    seeing = [test for test in suite.that_can_see(mutant) if test not in unsound]
    tests = suite.within(seeing, limits.budget)
    found = failures(mutant, tests, limits.seconds, "-x") if tests else []
    if found is None:
        return {"outcome": "out of time"}
    if found:
        return {"outcome": "killed", "by": found[0]}
    return {"outcome": "survived", "tests": f"{len(tests)} of {len(seeing)} that can see it"}


def hunt_all(
    mutants: Sequence[Mutant], suite: Suite, limits: Limits, unsound: set[str]
) -> Iterator[tuple[Mutant, dict[str, str]]]:
    """Yield each mutant with what became of it; again where the test that killed it is found unsound."""
    while mutants:
        killed: dict[Mutant, str] = {}
        with ThreadPoolExecutor(limits.jobs) as pool:
            running = {pool.submit(hunt, mutant, suite, limits, unsound): mutant for mutant in mutants}
            for future in as_completed(running):
                mutant, found = running[future], future.result()
                killed.update({mutant: found["by"]} if "by" in found else {})
                yield mutant, found
        killers = sorted(set(killed.values()) & set(suite.fixtures))
        unsound = unsound | set(failures(None, killers, math.inf) or () if killers else ())
        mutants = [mutant for mutant, test in killed.items() if test in unsound]
