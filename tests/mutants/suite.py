"""The tests, what each takes, and which of them can see a mutant."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tests.mutants.mutants import ROOT, Mutant, enclosing_lines

# Without the plugins of whatever else is installed: some take longer to import than most tests to run.
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
PYTEST = ("-q", "-p", "xdist", "-m", "not arm and not overfit")
# Fixtures of pytest and its plugins that outlive a test: two tests that use them share no product code.
FOREIGN = {"tmp_path_factory", "worker_id", "testrun_uid", "pytestconfig", "record_testsuite_property"}


@dataclass(frozen=True)
class Suite:
    """The tests, and what of the product each runs.

    Attributes:
        fixtures: test → its fixtures that outlive a test; in the order of the files.
        seconds: test → what it takes, its fixtures' setup included.
        runs: file → line → tests that run the line, and those in whose setup it runs; None without a map.
    """

    fixtures: Mapping[str, frozenset[str]]
    seconds: Mapping[str, float]
    runs: Mapping[str, Mapping[int, tuple[set[str], set[str]]]] | None

    def that_can_see(self, mutant: Mutant) -> list[str]:
        """The tests that can see a mutant, by what those of their file take together.

        A fixture is set up once, in the first test that asks for it: all others that share it see what it
        made. Of a line that runs at import, all that run any line of its file; of one that no test runs in
        its own process, such as the command's, those of the folder that mirrors its package.
        """
        if self.runs is None:
            return self._by_cost(self.fixtures)
        lines = self.runs.get(mutant.file, {})
        wanted, inside = enclosing_lines((ROOT / mutant.file).read_text(encoding="utf-8"), mutant.line)
        found = [lines[line] for line in lines if not inside or line in wanted]
        own = {test for tests in found for when in tests for test in when}
        made = {name for _, tests in found for test in tests for name in self.fixtures.get(test, ())}
        seen = [test for test, names in self.fixtures.items() if test in own or names & made]
        if not seen:
            folder = f"tests/{mutant.file.split('/')[0]}/"
            seen = [test for test in self.fixtures if test.startswith(folder)]
        return self._by_cost(seen)

    def within(self, tests: Sequence[str], budget: float) -> list[str]:
        """The first of the tests, as many as take so many seconds."""
        spent = accumulate(self.seconds.get(test, 0.0) for test in tests)
        return [test for test, seconds in zip(tests, spent) if seconds <= budget]

    def _by_cost(self, tests: Collection[str]) -> list[str]:
        files: dict[str, float] = defaultdict(float)
        for test in tests:
            files[test.partition("::")[0]] += self.seconds.get(test, 0.0)
        order = {test: place for place, test in enumerate(self.fixtures)}
        return sorted(tests, key=lambda test: (files[test.partition("::")[0]], order[test]))


def read_suite(coverage: Path | None, durations: Path | None) -> Suite:
    """Ask pytest for the tests and their fixtures; read the rest from a run of the suite.

    Args:
        coverage: pytest-cov's file with a context for each test; None for no map.
        durations: the output of ``pytest --durations=0 -vv``; None where costs are not known.
    """
    command = [sys.executable, "-m", "pytest", *PYTEST, "--setup-plan"]
    plan = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    session = set(re.findall(r"^ *SETUP    S (\w+)", plan, re.MULTILINE)) - FOREIGN
    module = set(re.findall(r"^ *SETUP    M (\w+)", plan, re.MULTILINE)) - session
    fixtures = {}
    for test, used in re.findall(r"^ +(\S+::.*?)(?: \(fixtures used: (.*)\))?$", plan, re.MULTILINE):
        names, file = set(used.split(", ")), test.partition("::")[0]
        fixtures[test] = frozenset(names & session | {f"{file}::{name}" for name in names & module})
    known: dict[str, float] = defaultdict(float)
    text = durations.read_text(encoding="utf-8") if durations else ""
    for taken, test in re.findall(r"^([\d.]+)s (?:call|setup|teardown) +(.+)$", text, re.MULTILINE):
        known[test] += float(taken)
    # Where costs are known, a test of unknown cost is none that the run came to: it goes last.
    seconds = {test: known.get(test, math.inf if known else 0.0) for test in fixtures}
    return Suite(fixtures, seconds, None if coverage is None else _read_map(coverage))


def _read_map(coverage: Path) -> dict[str, dict[int, tuple[set[str], set[str]]]]:
    from coverage import CoverageData

    data = CoverageData(str(coverage))
    data.read()
    runs: dict[str, dict[int, tuple[set[str], set[str]]]] = {}
    for measured in data.measured_files():
        lines = runs.setdefault(os.path.relpath(measured, ROOT), {})
        for line, contexts in data.contexts_by_lineno(measured).items():
            split = [context.rpartition("|") for context in contexts if context]
            own, setup = ({test for test, _, when in split if (when == "setup") == s} for s in (False, True))
            lines[line] = (own, setup)
    return runs
