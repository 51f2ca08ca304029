"""Models by name."""

from __future__ import annotations

import pytest

from mobilevis.models import create_model, list_models


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
