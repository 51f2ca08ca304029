"""MinVIS, DVIS++ and TAR through the exporters."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.export import export_model, pte
from mobilevis.export.seeded import create_seeded
from mobilevis.export.trace import trace_entries
from mobilevis.runtime.drivers.tar import layers_kept
from mobilevis.runtime.segmenter import VideoSegmenter

SIZE = (64, 64)
SMALL = {"num_classes": 3, "num_queries": 5, "dim": 32, "decoder_layers": 4, "encoder_layers": 1}


@pytest.mark.slow
def test_all_that_is_no_deformable_attention_lowers_to_one_delegate_call():
    """``encode`` samples by gathers, which XNNPACK lacks; its delegation report counts them."""
    model = create_seeded("dvis-plus-tar-tiny", **{**SMALL, "decoder_layers": 2, "tracker_layers": 1}).eval()
    entries = model.streaming(SIZE, max_instances=2).entries
    del entries["encode"]
    delegation = pte.convert(trace_entries(model, entries)).delegation
    assert {entry: found for entry, found in delegation.items() if not found.whole} == {}


@pytest.mark.slow
def test_an_exported_layer_is_run_only_where_its_router_keeps_it(tmp_path: Path, toy_frames):
    model = create_seeded("minvis-tar-tiny", **SMALL).eval()
    for router in model.routers[1:]:  # keep layer 1, skip layers 2 and 3
        router.mlp[-1].bias.data.neg_()
    export_model(model, tmp_path, ["onnx"], SIZE, name="tar", frames=toy_frames, max_instances=2)
    segmenter = VideoSegmenter(tmp_path / "tar_64x64_fp32_onnx")
    results = [segmenter.process(frame) for frame in toy_frames[:3]]
    assert [layers_kept(result) for result in results] == [4, 2, 2]
