"""The reference of all keys says what each one means."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import pytest

from mobilevis.training.config import TrainConfig
from mobilevis.training.objectives.registry import OBJECTIVES
from mobilevis.training.reference import configuration_tables, describe_attributes

TABLES = {*(kind for kind in get_type_hints(TrainConfig).values() if is_dataclass(kind))}
WEIGHTS = {recipe.weights for recipe in OBJECTIVES.values()}


@pytest.mark.parametrize("kind", sorted(TABLES | WEIGHTS, key=lambda kind: kind.__name__))
def test_every_key_has_a_meaning(kind: Any) -> None:
    missing = {field.name for field in fields(kind)} - set(describe_attributes(kind))
    assert missing == set()


def test_a_key_has_its_type_its_default_and_its_meaning() -> None:
    text = configuration_tables()
    assert "| `batch_size` | integer | required | samples (frames, or pairs of frames) of a step" in text
    assert "| `augment.scale` | 2 numbers | `[1.0, 1.0]` | (low, high) of a random factor" in text
    assert "| `multipliers` | table of numbers | `{ backbone = 0.5 }` | name of a part" in text
    assert "## [objective] of DvisPlus, TarDvisPlus" in text
