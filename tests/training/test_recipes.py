"""Recipes that extend one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.training.config import load_config
from mobilevis.training.recipes import read_recipe, recipe_that_writes


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_recipe_says_only_what_differs(tmp_path: Path) -> None:
    write(tmp_path / "base.toml", "[run]\nseed = 1\nthreads = 2\n[data]\nbatch_size = 4\n")
    other = write(tmp_path / "other.toml", 'extends = "base.toml"\n[run]\nthreads = 1\n')
    assert read_recipe(other) == {"run": {"seed": 1, "threads": 1}, "data": {"batch_size": 4}}


def test_a_shipped_recipe_can_be_extended_from_anywhere(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.toml", 'extends = "synth-finer"\n[run]\noutput = "runs/mine"\n')
    mine_now, shipped = load_config(mine), load_config("synth-finer")
    assert (mine_now.data, mine_now.run.output) == (shipped.data, "runs/mine")


def test_the_options_and_the_loss_of_another_model_are_not_taken_over(tmp_path: Path) -> None:
    base = '[model]\nname = "a"\noptions = { x = 1 }\n[objective]\ndice = 1.0\n[run]\nseed = 1\n'
    write(tmp_path / "base.toml", base)
    other = write(tmp_path / "other.toml", 'extends = "base.toml"\n[model]\nname = "b"\n')
    assert read_recipe(other) == {"model": {"name": "b"}, "run": {"seed": 1}}


def test_a_circle_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one.toml", 'extends = "two.toml"')
    write(tmp_path / "two.toml", 'extends = "one.toml"')
    with pytest.raises(UserError, match=r"too often: one\.toml → two\.toml → one\.toml"):
        read_recipe(one)


def test_a_long_chain_is_refused(tmp_path: Path) -> None:
    for index in range(20):
        write(tmp_path / f"{index}.toml", f'extends = "{index + 1}.toml"')
    with pytest.raises(UserError, match="too often"):
        read_recipe(tmp_path / "0.toml")


@pytest.mark.parametrize(("base", "what"), [("1", "must be a name"), ('"no-such"', "unknown configuration")])
def test_a_base_that_is_none_is_refused(tmp_path: Path, base: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        read_recipe(write(tmp_path / "x.toml", f"extends = {base}"))


def test_the_recipe_that_writes_a_file_is_known() -> None:
    assert recipe_that_writes("runs/taformer-coco/model.safetensors") == "taformer-coco"
    assert recipe_that_writes("runs/mine/model.safetensors") == ""
