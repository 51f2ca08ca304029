"""Every example in a docstring runs, under the module's own name.

``--doctest-modules`` would import a second copy: it does not know that the folders are mapped to mobilevis.*.
"""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "export", "runtime", "benchmarks", "data", "training", "cli", "mobilevis")


def modules_with_examples() -> list[str]:
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    parts = [
        file.relative_to(ROOT).with_suffix("").parts for file in files if ">>> " in file.read_text("utf-8")
    ]
    names = [".".join(("mobilevis", *part)) for part in parts]
    return [
        name.removeprefix("mobilevis." if name.startswith("mobilevis.mobilevis") else "").removesuffix(
            ".__init__"
        )
        for name in names
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_give_what_they_say(name):
    found = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0
