"""The papers' backbones through the exporters, a hundredth of their size."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.export import export_model, pte
from mobilevis.export.seeded import create_seeded
from mobilevis.export.trace import trace_entries
from mobilevis.models.backbones.convnext import CONVNEXTS
from mobilevis.models.backbones.swin import SWINS
from tests.models.weights.small_pyramids import SMALL_CONVNEXT, SMALL_SWIN

pytestmark = pytest.mark.slow

SIZE = (64, 64)
SMALL = {"num_classes": 3, "clip_length": 2, "iterations": 1, "num_queries": 4}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SWINS, "swin-small", SMALL_SWIN)
    monkeypatch.setitem(CONVNEXTS, "convnext-large", SMALL_CONVNEXT)
    monkeypatch.setitem(CONVNEXTS, "convnextv2-large", {**SMALL_CONVNEXT, "response_norm": True})


@pytest.mark.parametrize("backbone", ["swin-small", "convnextv2-large"])
def test_a_clip_model_on_another_backbone_passes_the_gate(tmp_path: Path, toy_frames, backbone: str) -> None:
    model = create_seeded("efficientvis-tiny", backbone=backbone, **SMALL)
    report = export_model(model, tmp_path, ["onnx"], SIZE, name="efficientvis", frames=toy_frames)
    assert [artefact.format for artefact in report.artefacts] == ["onnx"]


@pytest.mark.parametrize("backbone", ["convnext-large", "convnextv2-large"])
def test_a_convnext_lowers_to_one_delegate_call(backbone: str) -> None:
    model = create_seeded("efficientvis-tiny", backbone=backbone, **SMALL).eval()
    entries = {"encode": model.streaming(SIZE).entries["encode"]}
    delegation = pte.convert(trace_entries(model, entries)).delegation
    assert {entry: found for entry, found in delegation.items() if not found.whole} == {}
