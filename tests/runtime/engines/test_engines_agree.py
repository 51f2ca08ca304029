"""One artefact, one video, three engines: the same tracks and the same masks in every frame."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.bundled_clip import bundled_clip
from mobilevis.runtime.segmenter import VideoSegmenter

ENGINES = ("onnxruntime", "executorch", "litert")


@pytest.fixture(scope="module")
def streams(artefacts):
    """Every engine's results on the 100 frames of the bundled clip."""
    threshold = VideoSegmenter(artefacts["litert"]).metadata.parity["score_threshold"]
    return {
        engine: [
            result
            for _, result in VideoSegmenter(
                artefacts[engine], engine, keyframe_interval=3, score_threshold=threshold
            ).stream(bundled_clip())
        ]
        for engine in ENGINES
    }


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES[1:])
def test_engines_give_the_same_tracks_and_masks(streams, engine):
    compared = 0
    assert len(streams[engine]) == 100
    for expected, actual in zip(streams["onnxruntime"], streams[engine]):
        first = {(i.track_id, i.class_index): i for i in expected.instances}
        second = {(i.track_id, i.class_index): i for i in actual.instances}
        assert first.keys() == second.keys(), f"frame {expected.frame_index}"
        for key in first:
            a, b = first[key].full_mask(), second[key].full_mask()
            iou = np.count_nonzero(a & b) / np.count_nonzero(a | b)
            assert iou >= 0.99, f"frame {expected.frame_index}, track {key[0]}: IoU {iou:.4f}"
            compared += 1
    assert compared >= 100
