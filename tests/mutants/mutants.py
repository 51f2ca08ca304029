"""The table of mutants, and where each stands in the product."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PRODUCT = ("models", "runtime", "export", "training", "benchmarks", "data", "cli")


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
