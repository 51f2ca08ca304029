"""Classes that start from those of a checkpoint for other classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from mobilevis.models.weights.class_rows import copy_class_rows, pair_classes
from mobilevis.runtime.errors import UserError

FILE = Path("x.safetensors")
KNOWN = ["person", "cup", "bottle"]


def head(classes: int) -> nn.Module:
    return nn.ModuleDict({"class_logits": nn.Conv2d(4, classes, 1), "boxes": nn.Conv2d(4, 4, 1)})


def test_classes_of_one_name_start_from_each_other() -> None:
    assert pair_classes(["bolt", "cup"], KNOWN, {}, FILE) == {1: 1}


def test_a_class_that_is_like_another_starts_from_that_one() -> None:
    assert pair_classes(["mug", "cup"], KNOWN, {"mug": "cup", "cup": "bottle"}, FILE) == {0: 1, 1: 2}


@pytest.mark.parametrize(
    ("like", "what"),
    [
        ({"mugs": "cup"}, r"the data has no class mugs \(x\.safetensors\).*did you mean mug"),
        ({"mug": "cups"}, r"the checkpoint has no class cups \(x\.safetensors\).*did you mean cup"),
    ],
)
def test_a_class_that_there_is_not_is_refused(like: dict[str, str], what: str) -> None:
    with pytest.raises(UserError, match=what):
        pair_classes(["mug"], KNOWN, like, FILE)


def test_rows_of_paired_classes_are_copied_and_all_else_stays() -> None:
    model, other = head(2), head(3)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    copy_class_rows(model, other.state_dict(), ["class_logits"], {1: 2}, FILE)
    for name, x in model.state_dict().items():
        if name.startswith("boxes"):
            assert torch.equal(x, before[name])
        else:
            assert torch.equal(x[0], before[name][0])
            assert torch.equal(x[1], other.state_dict()[name][2])


def test_a_part_without_a_row_for_each_class_is_refused() -> None:
    with pytest.raises(UserError, match=r"no such rows of class_logits\.weight"):
        copy_class_rows(head(2), head(3).state_dict(), ["class_logits"], {0: 3}, FILE)
    with pytest.raises(UserError, match=r"no such rows of class_logits\.weight"):
        copy_class_rows(head(2), {}, ["class_logits"], {}, FILE)


def test_rows_that_are_not_finite_are_refused() -> None:
    broken = {name: torch.full_like(x, float("nan")) for name, x in head(3).state_dict().items()}
    with pytest.raises(UserError, match="NaN"):
        copy_class_rows(head(2), broken, ["class_logits"], {0: 0}, FILE)
