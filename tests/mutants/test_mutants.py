"""The table of mutants fits the sources, and the tool finds the tests that can see one."""

from __future__ import annotations

import difflib
import re

import pytest

from tests.mutants.mutants import PRODUCT, Mutant, enclosing_lines, read_mutants
from tests.mutants.suite import Suite

TOKEN = re.compile(r"[\w.]+|[<>=!+*/-]=|//|[^\w\s]")


@pytest.fixture(scope="module")
def mutants() -> list[Mutant]:
    return read_mutants()


def test_every_mutant_stands_once_in_the_product_and_every_package_has_one(mutants):
    assert len(mutants) >= 40
    assert {mutant.file.partition("/")[0] for mutant in mutants} == set(PRODUCT)


def test_a_mutant_changes_one_token(mutants):
    for mutant in mutants:
        before, after = (TOKEN.findall(text) for text in (mutant.text, mutant.mutated))
        codes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        changed = [code for code in codes if code[0] != "equal"]
        assert len(changed) == 1, mutant.name
        assert max(changed[0][2] - changed[0][1], changed[0][4] - changed[0][3]) == 1, mutant.name


def test_the_lines_of_a_mutant_are_those_of_its_statement():
    source = (
        "A = 1\n\n\ndef f(x):\n    if (\n        x\n    ):\n        return g(\n            x,\n        )\n"
    )
    assert enclosing_lines(source, 1) == (range(1, 2), False)
    assert enclosing_lines(source, 6) == (range(5, 8), True)
    assert enclosing_lines(source, 9) == (range(8, 11), True)


def test_the_tests_that_can_see_a_mutant_run_it_or_share_what_it_made(mutants):
    (mutant,) = (mutant for mutant in mutants if mutant.name == "hard_sigmoid_is_off_centre")
    shared = frozenset({"artefacts"})
    fixtures = {"a::made": shared, "a::other": frozenset(), "b::shares": shared, "c::runs": frozenset()}
    runs = {mutant.file: {mutant.line: ({"c::runs"}, {"a::made"}), mutant.line + 1: ({"a::other"}, set())}}
    suite = Suite(fixtures, {"a::made": 9.0, "b::shares": 2.0, "c::runs": 1.0}, runs)
    assert suite.that_can_see(mutant) == ["c::runs", "b::shares", "a::made"]
    assert Suite(fixtures, {}, None).that_can_see(mutant) == list(fixtures)
