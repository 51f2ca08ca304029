from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.models.weights import bundled
from mobilevis.models.weights.bundled import BUNDLED, bundled_checkpoint, find_weights
from mobilevis.models.weights.checkpoint import load_checkpoint


def test_a_model_without_a_checkpoint_in_the_package_has_none(monkeypatch, tmp_path):
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    assert bundled_checkpoint("mobileinst-topformer-tiny") is None


@pytest.mark.parametrize("name", ["mobileinst-topformer-tiny", "mobileinst-topformer-tiny-synth"])
def test_a_checkpoint_in_the_package_is_found_by_its_own_name_and_its_models(monkeypatch, tmp_path, name):
    path = tmp_path / "mobileinst-topformer-tiny-synth.safetensors"
    path.touch()
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    assert bundled_checkpoint(name) == path


@pytest.mark.parametrize(("weights", "model"), BUNDLED.items())
def test_what_ships_holds_the_model_that_it_is_listed_for(weights: str, model: str):
    path = bundled_checkpoint(weights)
    assert path is not None
    assert load_checkpoint(path).name == model
    assert path.stat().st_size <= 14e6


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no model \.\./x; known are .*mobileinst-topformer-tiny"):
        bundled_checkpoint("../x")


def test_weights_are_found_by_a_name_that_ships_or_are_a_path():
    assert find_weights("mobileinst-topformer-tiny") == bundled_checkpoint("mobileinst-topformer-tiny")
    assert find_weights("weights.pt") == Path("weights.pt")
