"""EfficientVIS through every exporter and engine: RoIAlign, dynamic filters and carried queries survive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilevis.export import export_model
from mobilevis.export.report import ExportReport
from mobilevis.export.seeded import create_seeded
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter

pytestmark = pytest.mark.slow

T = 3


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    small = {"num_queries": 4, "dim": 16, "heads": 2, "iterations": 1, "box_bins": 3, "clip_length": T}
    model = create_seeded("efficientvis-tiny", num_classes=5, **small)
    folder = tmp_path_factory.mktemp("efficientvis")
    return folder, export_model(model, folder, input_size=(64, 96), name="efficientvis-tiny")


def test_every_format_passes_the_gate_with_instances_in_it(export):
    _, report = export
    assert [artefact.format for artefact in report.artefacts] == ["onnx", "pte", "tflite"]
    for artefact in report.artefacts:
        assert artefact.parity.instances >= 10
        assert {output.entry for output in artefact.parity.outputs} == {"encode", "decode", "segment"}


def test_the_artefact_says_how_late_it_answers(export):
    folder, report = export
    for artefact in report.artefacts:
        segmenter = VideoSegmenter(folder / artefact.path)
        assert segmenter.metadata.options["clip_length"] == T
        with pytest.raises(UserError, match=f"answers {T - 1} frames late"):
            segmenter.process(np.zeros((64, 96, 3), np.uint8))
