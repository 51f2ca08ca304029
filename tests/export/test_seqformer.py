"""TAFormer through every exporter and engine: deformable sampling in space and time survives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilevis.export import export_model
from mobilevis.export.report import ExportReport
from mobilevis.export.seeded import create_seeded
from mobilevis.runtime.bundled_clip import bundled_clip
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import open_source

pytestmark = pytest.mark.slow

T = 2
SMALL = {
    "num_classes": 3,
    "num_queries": 6,
    "dim": 32,
    "heads": 2,
    "hidden": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "points": 2,
    "temporal_points": 2,
    "window": 1,
    "clip_length": T,
}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    folder = tmp_path_factory.mktemp("taformer")
    model = create_seeded("taformer-tiny", **SMALL)
    return folder, export_model(model, folder, input_size=(64, 64), name="taformer-tiny", max_instances=4)


def test_every_format_passes_the_gate_with_instances_in_it(export):
    _, report = export
    assert [artefact.format for artefact in report.artefacts] == ["onnx", "pte", "tflite"]
    for artefact in report.artefacts:
        assert artefact.parity.instances >= 10
        assert {output.entry for output in artefact.parity.outputs} == {"encode", "decode", "segment"}


def test_the_delegation_report_names_what_samples_outside_of_the_delegate(export):
    _, report = export
    (pte,) = [artefact for artefact in report.artefacts if artefact.format == "pte"]
    outside = pte.delegation["decode"].operators_outside
    assert any("index_select" in operator for operator in outside)


def test_a_video_streams_with_a_result_for_each_frame(export):
    folder, report = export
    for artefact in report.artefacts:
        segmenter = VideoSegmenter(folder / artefact.path, score_threshold=0.0, mask_threshold=1e-6)
        source = open_source(bundled_clip())
        results = [result for _, (_, result) in zip(range(5), segmenter.stream(source))]
        assert [result.frame_index for result in results] == [0, 1, 2, 3, 4]
        assert any(result.instances for result in results)


def test_the_artefact_answers_a_clip_late_and_takes_no_other_familys_options(export):
    folder, report = export
    path = folder / report.artefacts[0].path
    with pytest.raises(UserError, match=f"answers {T - 1} frames late"):
        VideoSegmenter(path).process(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(UserError, match="taformer-tiny has no option keyframe_interval"):
        VideoSegmenter(path, keyframe_interval=3)
