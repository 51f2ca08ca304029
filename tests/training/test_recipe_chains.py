"""Recipes that go on from one another: what one writes, the next one can start from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.weights.checkpoint import save_checkpoint
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.build import create_network
from mobilevis.training.config import ModelConfig, load_config
from mobilevis.training.recipes import shipped_recipes

CONFIGS = shipped_recipes()


def written_by() -> dict[str, str]:
    """File that a recipe writes → the recipe."""
    return {f"{load_config(name).run.output}/model.safetensors": name for name in CONFIGS}


def chains() -> list[tuple[str, str]]:
    """Recipe, and the shipped recipe that it goes on from."""
    writers = written_by()
    starts = {name: load_config(name).model.checkpoint for name in CONFIGS}
    return [(name, writers[start]) for name, start in starts.items() if start in writers]


def small(name: str) -> str:
    """The small sibling of a model of a paper's size, whose tensors have the same names but for depth."""
    return name.replace("-r50", "-tiny")


@pytest.mark.parametrize(("recipe", "before"), chains(), ids=lambda name: name)
def test_a_recipe_starts_from_what_the_one_before_writes(recipe: str, before: str, tmp_path: Path) -> None:
    first, then = (load_config(name).model for name in (before, recipe))
    classes = [Category(1, "cat"), Category(2, "dog")]
    torch.manual_seed(0)
    model = create_model(small(first.name), num_classes=2, **first.options)
    save_checkpoint(model, tmp_path / "model.safetensors", name=small(first.name), classes=classes, record={})
    start = ModelConfig(small(then.name), then.options, str(tmp_path / "model.safetensors"), then.fresh)
    network, report = create_network(start, num_classes=2)
    assert report is not None
    saved, loaded = model.state_dict(), network.state_dict()
    assert all(torch.equal(saved[name], loaded[name]) for name in report.loaded)
    assert {name.partition(".")[0] for name in report.missing} == {
        part.partition(".")[0] for part in then.fresh
    }


def test_most_recipes_of_videos_go_on_from_a_shipped_one() -> None:
    assert {("minvis-tar", "minvis"), ("dvis-plus", "minvis"), ("youtube-vis", "coco")} <= set(chains())


def test_parts_that_the_checkpoint_lacks_must_be_named(tmp_path: Path) -> None:
    model = create_model("minvis-tiny", num_classes=1)
    path = tmp_path / "model.safetensors"
    save_checkpoint(model, path, name="minvis-tiny", classes=[Category(1, "cat")], record={})
    with pytest.raises(UserError, match=r"lacks routers.*model\.fresh"):
        create_network(ModelConfig("minvis-tar-tiny", checkpoint=str(path), fresh=("synchroniser",)), 1)
