"""Models by name."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models import create_model, list_models
from mobilevis.models.backbones.convnext import CONVNEXTS
from mobilevis.models.backbones.swin import SWINS
from mobilevis.models.registry import full_name
from tests.models.weights.small_pyramids import SMALL_CONVNEXT, SMALL_SWIN

SIBLINGS = (
    "minvis-tiny",
    "minvis-tar-tiny",
    "dvis-plus-tiny",
    "dvis-plus-tar-tiny",
    "seqformer-tiny",
    "taformer-tiny",
    "efficientvis-tiny",
    "maxtron-vis-tiny",
    "maxtron-vps-tiny",
)


def test_names_are_family_backbone_and_size():
    assert {
        "mobileinst-topformer-tiny",
        "mobileinst-topformer-base",
        "mobileinst-seaformer-large",
    } <= set(list_models())


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no model unheard; known are .*mobileinst-topformer-tiny"):
        create_model("unheard")


def test_an_unknown_configuration_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no configuration colour; known are .*num_classes.*pooling"):
        create_model("mobileinst-topformer-tiny", colour="red")


def test_a_name_and_its_configuration_may_not_contradict_each_other():
    with pytest.raises(ValueError, match="has no backbone seaformer-tiny"):
        create_model("mobileinst-topformer-tiny", backbone="seaformer-tiny")


@pytest.mark.parametrize("backbone", ["swin-tiny", "convnext-tiny"])
@pytest.mark.parametrize("name", SIBLINGS)
def test_a_sibling_takes_another_backbone(monkeypatch, name, backbone):
    """What ``encode`` gives has the shapes that the entry has, on frames without values."""
    monkeypatch.setitem(SWINS, "swin-tiny", SMALL_SWIN)
    monkeypatch.setitem(CONVNEXTS, "convnext-tiny", SMALL_CONVNEXT)
    with torch.device("meta"), torch.no_grad():
        model = create_model(name, backbone=backbone).eval()
        entry = model.streaming((64, 64)).entries["encode"]
        features = model.encode(torch.zeros(entry.inputs["frame"]))
    assert [tuple(x.shape) for x in features] == list(entry.outputs.values())
    assert full_name(name, model.config) == f"{name}-on-{backbone}"


def test_a_backbone_of_ones_own_is_not_in_the_name():
    with torch.device("meta"):
        model = create_model("seqformer-r101")
    assert full_name("seqformer-r101", model.config) == "seqformer-r101"
    assert full_name("elsewhere", model.config) == "elsewhere"


def test_an_unknown_backbone_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"backbone 'resnet152' is not known; .*resnet101.*convnext-large"):
        create_model("efficientvis-r50", backbone="resnet152")
