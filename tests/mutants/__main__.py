"""Seeded mutants: one token of the product changes at a time, and some test has to notice.

    pytest -n 2 --cov --cov-context=test --cov-report= --durations=0 -vv > durations.txt   # needs pytest-cov
    python -m tests.mutants --coverage .coverage --durations durations.txt --record after.json

Run it before and after a change of the tests and compare the two records: a test that is deleted, shrunk or
made slow may have been the only one that saw a fault.

The mutants (`mutants.toml`) were chosen by hand from a random sample, five tokens of every file, and from the
lines around them: those whose fault a reader could make and overlook (a sign, a bound, an axis, an end of a
range, a constant), spread over what the files do. Left out were faults of messages, types and speed, and
those after which nothing runs at all. No mutant was left out because it survives.

`before.json` is of the tests before their exports were shared and cut: 78 mutants run, 64 killed. In
`after.json`, of the tests since, 86 of 87 are; for 83 of these rows the tests nearest to a mutant ran in a
fork in which its code stood in place of its function's, which takes seconds where a copy takes minutes.

A mutant names no file: its text stands in the product exactly once, wherever that is, so that the same table
fits a tree whose files were moved.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.mutants.hunt import Limits, hunt_all
from tests.mutants.mutants import read_mutants
from tests.mutants.suite import read_suite


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
