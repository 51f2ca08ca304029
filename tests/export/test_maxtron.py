"""MaXTron through every exporter and engine, near-online and offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.export import export_model
from mobilevis.export.report import ExportReport
from mobilevis.export.seeded import create_seeded
from mobilevis.runtime.bundled_clip import bundled_clip
from mobilevis.runtime.segmenter import VideoSegmenter

pytestmark = pytest.mark.slow

SMALL = {"num_queries": 8, "cross_layers": 1, "video_clips": 2}
FAMILIES = {
    "maxtron-vis-tiny": {"clip_length": 2, "encoder_layers": 1, "decoder_layers": 1},
    "maxtron-vps-tiny": {"stuff_classes": (0, 2)},
}


@pytest.fixture(scope="module", params=FAMILIES)
def export(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    name = request.param
    model = create_seeded(name, num_classes=5, **SMALL, **FAMILIES[name])
    folder = tmp_path_factory.mktemp(name)
    return folder, export_model(model, folder, input_size=(64, 64), name=name)


def test_every_entry_of_every_format_passes_the_gate_with_instances_in_it(export):
    _, report = export
    assert [artefact.format for artefact in report.artefacts] == ["onnx", "pte", "tflite"]
    for artefact in report.artefacts:
        entries = {output.entry for output in artefact.parity.outputs}
        assert entries == {"encode", "decode", "cross_clip", "segment"}
        assert artefact.parity.instances >= 10


def test_an_artefact_runs_in_both_modes(export):
    folder, report = export
    for mode, delay in (("near-online", 1), ("offline", 3)):
        segmenter = VideoSegmenter(folder / report.artefacts[0].path, mode=mode, score_threshold=0.0)
        assert segmenter._driver.delay == delay
        results = [result for _, result in segmenter.stream(bundled_clip())]
        assert [result.frame_index for result in results] == list(range(len(results)))
