"""What all objectives share."""

from __future__ import annotations

import ast
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from mobilevis.training.objectives.base import sum_terms
from mobilevis.training.objectives.registry import OBJECTIVES, Recipe

RECIPES = pytest.mark.parametrize("recipe", OBJECTIVES.values(), ids=[m.__name__ for m in OBJECTIVES])


@RECIPES
def test_no_weight_is_negative(recipe: Recipe) -> None:
    numbers = [field.name for field in fields(recipe.weights) if field.type == "float"]
    assert numbers
    for name in numbers:
        with pytest.raises(ValueError, match=rf"objective\.{name} must be ≥ 0"):
            recipe.weights(**{name: -1.0})


@RECIPES
def test_no_family_imports_another(recipe: Recipe) -> None:
    """What two families share has a module of its own."""
    families = {other.create.__module__ for other in OBJECTIVES.values()}
    own = recipe.create.__module__
    tree = ast.parse(Path(str(sys.modules[own].__file__)).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported & families <= {own}


def test_terms_are_added_by_name() -> None:
    one = torch.ones(())
    assert sum_terms([{"mask": one, "dice": 2 * one}, {"mask": one}]) == {"mask": 2, "dice": 2}
