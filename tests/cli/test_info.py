"""``mobilevis info`` and ``mobilevis list``: what a file is, and what there is by name."""

from __future__ import annotations

import json

import pytest

from mobilevis.models import list_models
from mobilevis.models.weights.bundled import bundled_checkpoint

MODEL = "mobileinst-topformer-tiny"


def test_an_artefact_says_its_model_entries_and_weights(mobilevis, toy_artefacts):
    text = mobilevis("info", toy_artefacts["onnx"]).stdout
    assert "toy" in text
    assert "64x96" in text
    assert "random" in text
    assert "entry look" in text


def test_a_checkpoint_says_its_model_classes_and_size(mobilevis):
    text = mobilevis("info", bundled_checkpoint(MODEL)).stdout
    assert MODEL in text
    assert "256x512" in text
    assert "turtle" in text


def test_a_record_says_its_kind_and_figures(mobilevis, tmp_path):
    record = {"kind": "mobilevis.accuracy", "metrics": {"AP": 0.25}, "per_class": [{}, {}]}
    (tmp_path / "figures.json").write_text(json.dumps(record))
    text = mobilevis("info", "figures.json").stdout
    assert "mobilevis.accuracy" in text
    assert "AP 0.25" in text
    assert "2 of them" in text


@pytest.mark.parametrize("content", ["[1]", "{", ""])
def test_a_file_of_nobody_is_refused(refused, tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    assert "x.json" in refused("info", "x.json")


def test_the_models_and_configurations_are_listed(mobilevis):
    text = mobilevis("list").stdout
    assert all(name in text for name in list_models())
    assert "synth-frames" in text
