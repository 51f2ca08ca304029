from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.models.weights import bundled
from mobilevis.models.weights.bundled import bundled_checkpoint


def test_a_model_without_a_checkpoint_in_the_package_has_none(monkeypatch, tmp_path):
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    assert bundled_checkpoint("mobileinst-topformer-tiny") is None


def test_a_checkpoint_in_the_package_is_found_by_the_models_name(monkeypatch, tmp_path: Path):
    path = tmp_path / "mobileinst-topformer-tiny.safetensors"
    path.touch()
    monkeypatch.setattr(bundled, "files", lambda package: tmp_path)
    assert bundled_checkpoint("mobileinst-topformer-tiny") == path


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no model \.\./x; known are .*mobileinst-topformer-tiny"):
        bundled_checkpoint("../x")
