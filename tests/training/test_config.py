from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.training.config import load_config
from mobilevis.training.recipes import RECIPES, shipped_recipes

MINIMAL = """
[model]
name = "mobileinst-topformer-tiny"
[data]
format = "coco"
annotations = "train.json"
images = "train"
batch_size = 2
canvas = [64, 128]
[schedule]
iterations = 10
[run]
output = "runs/x"
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(MINIMAL)
    return path


def test_overrides_are_typed_like_the_file(config_file: Path) -> None:
    config = load_config(
        config_file,
        [
            "optimizer.learning_rate=1e-3",
            "data.augment.scale=[0.5, 2]",
            "run.output=elsewhere",
            "model.options.num_queries=7",
        ],
    )
    assert config.optimizer.learning_rate == 1e-3
    assert config.data.augment.scale == (0.5, 2.0)
    assert config.run.output == "elsewhere"
    assert config.model.options == {"num_queries": 7}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.batchsize=4", r"unknown key 'data.batchsize'; known: .*batch_size"),
        ("data.augment.flop=1", r"unknown key 'data.augment.flop'; known: flip, scale, colour, hue"),
        ("training.x=1", r"unknown key 'training'; known: model, data"),
        ("data.batch_size=two", "'data.batch_size' must be of type int, not str"),
        ("data.batch_size=true", "'data.batch_size' must be of type int, not bool"),
        ("data.canvas=[64]", "'data.canvas' must have 2 values, not 1"),
        ("data.canvas=[64, 96]", "multiples of 64"),
        ("data.format=voc", "unknown data.format 'voc'; known: coco, youtube-vis"),
        ("data=3", "'data' must be a table"),
        ("schedule.epochs=3", "either iterations or epochs"),
        ("run.precision=int8", "unknown run.precision 'int8'; known: auto, fp32, bf16, fp16"),
        ("temporal.enabled=true", "'temporal.enabled' is now 'objective.pairs'"),
        ("temporal.max_gap=3", "'temporal.max_gap' is now 'objective.max_gap'"),
        ("loss.dice=1.0", "'loss.dice' is now 'objective.dice'"),
        ("optimizer.backbone_multiplier=1", "is now 'optimizer.multipliers.backbone'"),
        ("optimizer.decoder_multiplier=1", "is now 'optimizer.multipliers.instance_decoder'"),
        ("optimizer.multipliers.backbone=-1", "optimizer.multipliers must be ≥ 0"),
        ("optimizer.multipliers.backbone=yes", "'optimizer.multipliers.backbone' must be of type float"),
        ("optimizer.weight_decay=nan", "nan is not a finite number"),
        ("model.options.x=1979-05-27", "is a date, which no key takes"),
        ("nonsense", "write --set table.key=value"),
        ("model.name.x=1", "'name' in 'model.name.x' is a value, not a table"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(config_file: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config(config_file, [override])


def test_a_missing_key_is_named(config_file: Path) -> None:
    config_file.write_text(MINIMAL.replace('output = "runs/x"', ""))
    with pytest.raises(UserError, match=r"'run\.output' is missing"):
        load_config(config_file)


def test_a_broken_file_is_refused(config_file: Path) -> None:
    config_file.write_text("[model")
    with pytest.raises(UserError, match="cannot read the configuration"):
        load_config(config_file)


def test_an_unknown_configuration_lists_the_shipped_ones() -> None:
    with pytest.raises(UserError, match=r"coco, coco-starter, coco-starter-identity, .*synth-frames"):
        load_config("nothing")


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_configuration_is_valid(name: str) -> None:
    assert load_config(name) == load_config(RECIPES / f"{name}.toml")


def test_a_recipe_may_say_how_a_set_is_validated_that_it_does_not_name(config_file: Path) -> None:
    config_file.write_text(f"{MINIMAL}[validation]\nevery = 5\n")
    assert not load_config(config_file).validation.enabled


def test_the_papers_schedules_are_shipped() -> None:
    coco = load_config("coco")
    assert (coco.schedule.iterations, coco.schedule.milestones) == (270_000, (210_000, 250_000))
    assert (coco.data.batch_size, coco.optimizer.learning_rate) == (64, 1e-4)
    assert (min(coco.data.short_sides), max(coco.data.short_sides), coco.data.long_side) == (416, 640, 864)
    video = load_config("youtube-vis")
    assert (video.schedule.epochs, video.schedule.milestones) == (12, (8, 11))
    assert (video.optimizer.learning_rate, video.data.short_sides) == (5e-5, (360,))
    assert video.objective["pairs"]
