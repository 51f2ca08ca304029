"""Seeded mutants: one token of the product changes at a time, and some test has to notice.

    pytest -n 2 --cov --cov-context=test --cov-report= --durations=0 -vv > durations.txt   # needs pytest-cov
    python tests/mutants/mutants.py --coverage .coverage --durations durations.txt --record after.json

Run it before and after a change of the tests and compare the two records: a test that is deleted, shrunk or
made slow may have been the only one that saw a fault.

The mutants (`mutants.toml`) were chosen by hand from a random sample, five tokens of every file, and from the
lines around them: those whose fault a reader could make and overlook (a sign, a bound, an axis, an end of a
range, a constant), spread over what the files do. Left out were faults of messages, types and speed, and
those after which nothing runs at all. No mutant was left out because it survives.

A mutant names no file: its text stands in the product exactly once, wherever that is, so that the same table
fits a tree whose files were moved.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PRODUCT = ("models", "runtime", "export", "training", "benchmarks", "data", "cli")
# Without the plugins of whatever else is installed: some take longer to import than most tests to run.
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
PYTEST = ("-q", "-p", "xdist", "-p", "no:cacheprovider", "-m", "not arm and not overfit")
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["torch", "transformers", "scipy.optimize", "cv2", "hypothesis.extra.numpy", "typer", "rich.progress"]
)
# Fixtures of pytest and its plugins that outlive a test: two tests that use them share no product code.
FOREIGN = {"tmp_path_factory", "worker_id", "testrun_uid", "pytestconfig", "record_testsuite_property"}


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


@dataclass(frozen=True)
class Mutant:
    """A text of the product and what becomes of it.

    Attributes:
        name: the fault in words.
        text: as it stands in the sources.
        mutated: the same with one token changed.
        file: where the text stands, relative to the root.
        line: of its first character, from 1.
    """

    name: str
    text: str
    mutated: str
    file: str
    line: int


def read_mutants() -> list[Mutant]:
    """The table, each text found in the product.

    Raises:
        SystemExit: a text does not stand there exactly once, or its mutation is no Python.
    """
    table = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text(encoding="utf-8"))
    paths = [path for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py"))]
    sources = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}
    mutants, faults = [], []
    for name, (text, mutated) in ((name, pair) for rows in table.values() for name, pair in rows.items()):
        places = [file for file, source in sources.items() for _ in range(source.count(text))]
        if len(places) != 1:
            faults.append(f"{name}: {text!r} stands {len(places)} times in the product: {', '.join(places)}")
            continue
        source = sources[places[0]]
        ast.parse(source.replace(text, mutated))
        line = source[: source.index(text)].count("\n") + 1
        mutants.append(Mutant(name, text, mutated, places[0], line))
    if faults:
        sys.exit("\n".join(faults))
    return mutants


def enclosing_lines(source: str, line: int) -> tuple[range, bool]:
    """The lines of the smallest statement that holds a line; and whether it runs when a test calls it, not
    when its module is imported."""
    inside, smallest = False, None
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt) or not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        inside |= isinstance(node, ast.FunctionDef) and node.body[0].lineno <= line
        if smallest is None or node.lineno >= smallest.lineno:
            smallest = node
    assert smallest is not None
    first_inner = min((child.lineno for child in getattr(smallest, "body", [])), default=None)
    last = smallest.end_lineno or smallest.lineno
    return range(smallest.lineno, (first_inner or last + 1)), inside


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
    sys.path.insert(0, variables["PYTHONPATH"])
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


def main() -> None:
    """Run the mutants that the record lacks, and write the record after each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--coverage", type=Path, help="pytest-cov's file: which test runs which line")
    parser.add_argument("--durations", type=Path, help="output of pytest --durations=0 -vv")
    parser.add_argument("--record", type=Path, help="JSON to write; what it holds already is not run again")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="mutants to run; all by default")
    parser.add_argument("--without", nargs="+", default=(), metavar="TEST", help="tests that spoil others")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--seconds", type=float, default=900.0, help="on the clock, for one mutant")
    parser.add_argument("--budget", type=float, default=math.inf, help="of the tests that one mutant meets")
    arguments = parser.parse_args()
    mutants, record = read_mutants(), read_record(arguments.record)
    wanted = [m for m in mutants if m.name not in record and m.name in (arguments.only or [m.name])]
    suite = read_suite(arguments.coverage, arguments.durations)
    limits = Limits(arguments.jobs, arguments.seconds, arguments.budget)
    for mutant, found in hunt_all(wanted, suite, limits, set(arguments.without)):
        changed = {"text": mutant.text, "mutated": mutant.mutated}
        record[mutant.name] = {"name": mutant.name, **changed, **found}
        print(mutant.name, *found.values(), sep="\t", flush=True)
        if arguments.record:
            write_record(arguments.record, [record[m.name] for m in mutants if m.name in record])


def read_record(path: Path | None) -> dict[str, dict[str, str]]:
    """Name → what became of the mutant in an earlier run."""
    if path is None or not path.is_file():
        return {}
    return {row["name"]: row for row in json.loads(path.read_text(encoding="utf-8"))["mutants"]}


def write_record(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write what became of the mutants, in the order of the table."""
    outcomes = dict(sorted(Counter(row["outcome"] for row in rows).items()))
    content = {"summary": outcomes, "mutants": list(rows)}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
