"""Recipes that go on from one another: what one writes, the next one can start from."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from mobilevis.models import create_model
from mobilevis.models.backbones.resnet import RESNETS
from mobilevis.models.weights.bundled import BUNDLED
from mobilevis.models.weights.checkpoint import save_checkpoint
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.build import create_network, create_objective, require_start
from mobilevis.training.config import ModelConfig, load_config
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.recipes import PUBLISHED, shipped_recipes
from tests.parity.detectron2_names import as_detectron2

CONFIGS = shipped_recipes()


def written_by() -> dict[str, str]:
    """File that a recipe writes → the recipe."""
    return {f"{load_config(name).run.output}/model.safetensors": name for name in CONFIGS}


def chains() -> list[tuple[str, str]]:
    """Recipe, and the shipped recipe that it goes on from."""
    writers = written_by()
    starts = {name: load_config(name).model.checkpoint for name in CONFIGS}
    return [(name, writers[start]) for name, start in starts.items() if start in writers]


def beginning_of(name: str) -> str:
    """What the first recipe of a chain starts from: nothing, weights that ship, or a file of others."""
    writers, start = written_by(), load_config(name).model.checkpoint
    return beginning_of(writers[start]) if start in writers else start


@pytest.mark.parametrize("recipe", CONFIGS)
def test_every_chain_begins_with_what_a_user_can_have(recipe: str) -> None:
    assert beginning_of(recipe) in {"", *BUNDLED, *PUBLISHED}


def route_to(name: str) -> tuple[str, ...]:
    """What a recipe's weights come through: the beginning, then the recipes before it in order."""
    writers, start = written_by(), load_config(name).model.checkpoint
    return (*route_to(writers[start]), writers[start]) if start in writers else (start,)


RESNET, MASK2FORMER = "weights/resnet-50.safetensors", "weights/mask2former-r50-coco.pkl"
ROUTES = {
    "minvis": (MASK2FORMER,),
    "minvis-tar": (MASK2FORMER, "minvis"),
    "dvis-plus": (MASK2FORMER, "minvis"),
    "dvis-plus-tar": (MASK2FORMER, "minvis"),
    "maxtron-vis-videos": (MASK2FORMER, "maxtron-vis"),
    "maxtron-vps-videos": (RESNET, "maxtron-vps-coco", "maxtron-vps"),
    "seqformer": (RESNET, "seqformer-coco"),
    "taformer": (RESNET, "taformer-coco"),
    "efficientvis": (RESNET, "efficientvis-coco"),
}


@pytest.mark.parametrize("last", ROUTES)
def test_a_siblings_chain_runs_from_a_published_file_to_its_last_stage(last: str) -> None:
    assert route_to(last) == ROUTES[last]
    assert ROUTES[last][0] in PUBLISHED


def test_every_step_of_every_chain_is_walked_below() -> None:
    """From a published file, from the recipe before, or with weights that are tested elsewhere: those that
    ship, and YOLOX's."""
    walked = {*PUBLISHED_STARTS, *(name for name, _ in chains())}
    elsewhere = {"", "yolox_nano.onnx", *BUNDLED}
    assert {load_config(name).model.checkpoint for name in set(CONFIGS) - walked} <= elsewhere


def test_only_recipes_for_a_backbone_of_ones_choice_start_from_nothing() -> None:
    """A ResNet that starts at random, its batch norms frozen, would learn nothing: these have none."""
    nothing = {name for name in CONFIGS if not load_config(name).model.checkpoint}
    assert nothing == {"coco", "synth-features"}
    assert not any(load_config(name).model.freeze_batch_norm for name in nothing)


def publish(start: str, folder: Path) -> Path:
    """A stand-in for a published file: a tiny model's random weights, named as the real one's are."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    resnet = RESNETS["resnet-tiny"]
    if "resnet-50" in start:
        model = transformers.ResNetForImageClassification(transformers.ResNetConfig(**resnet))
        model.save_pretrained(folder)
        return folder / "model.safetensors"
    sizes = asdict(create_model("minvis-tiny").config)
    config = transformers.Mask2FormerConfig(
        backbone_config=transformers.ResNetConfig(
            out_features=["stage1", "stage2", "stage3", "stage4"], **resnet
        ),
        feature_size=sizes["dim"],
        mask_feature_size=sizes["dim"],
        hidden_dim=sizes["dim"],
        num_attention_heads=sizes["heads"],
        encoder_layers=sizes["encoder_layers"],
        encoder_feedforward_dim=sizes["encoder_hidden"],
        decoder_layers=sizes["decoder_layers"] + 1,
        dim_feedforward=sizes["decoder_hidden"],
        num_queries=sizes["num_queries"],
        num_labels=80,
    )
    tensors = transformers.Mask2FormerForUniversalSegmentation(config).state_dict()
    arrays = {name: x.numpy() for name, x in as_detectron2(tensors).items()}
    (folder / "model_final.pkl").write_bytes(pickle.dumps({"model": arrays}))
    return folder / "model_final.pkl"


PUBLISHED_STARTS = [name for name in CONFIGS if load_config(name).model.checkpoint.startswith("weights/")]


@pytest.mark.parametrize("recipe", PUBLISHED_STARTS)
def test_a_recipe_starts_from_the_published_file_that_it_names(recipe: str, tmp_path: Path) -> None:
    model = load_config(recipe).model
    options = {key: value for key, value in model.options.items() if key != "clip_length"}
    if "maxtron-vis" in model.name:  # as many layers as the stand-in has; the names are the same
        options["decoder_layers"] = create_model("minvis-tiny").config.decoder_layers
    file = publish(model.checkpoint, tmp_path)
    start = ModelConfig(small(model.name), options, str(file), model.fresh)
    network, report = create_network(start, num_classes=40)
    assert report is not None
    if "resnet" in model.checkpoint:
        assert len(report.loaded) == len(network.backbone.state_dict())
        return
    parts = ("backbone.", "pixel_decoder.", "decoder.")
    wanted = {name for name in network.state_dict() if name.startswith(parts)} - set(report.other_classes)
    assert {name for name in wanted if not any(part in name for part in model.fresh)} == set(report.loaded)


def test_a_published_file_that_is_not_there_says_where_it_comes_from() -> None:
    with pytest.raises(UserError, match=r"download https://.*model_final_3c8ec9\.pkl there, or give one"):
        require_start(load_config("minvis").model)


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


@pytest.mark.parametrize("recipe", ["efficientvis-coco", "seqformer-coco", "maxtron-vps-coco"])
def test_a_stage_on_single_images_learns_from_them(recipe: str) -> None:
    config = load_config(recipe)
    torch.manual_seed(0)
    model = create_model(small(config.model.name), num_classes=2, **config.model.options)
    objective = create_objective(model, config)
    mask = torch.zeros(1, 16, 16)
    mask[:, 4:12, 4:12] = 1
    terms = objective(
        255 * torch.rand(2, 3, 64, 64), 2 * [Target(torch.tensor([1]), mask, torch.tensor([0]))]
    )
    loss = torch.stack(list(terms.values())).sum()
    loss.backward()
    assert bool(loss.isfinite())
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
