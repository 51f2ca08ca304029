"""What every driver does with a frame: one letterbox for a size, the best queries, a fixed number of rows."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.drivers.frames import FrameEncoder, Selection, join_frames, run_entry
from mobilevis.runtime.drivers.options import InstanceOptions
from mobilevis.runtime.stages import Stages


def test_frames_of_one_size_share_their_letterbox(artefact, moving_squares):
    encoder, stages = FrameEncoder(artefact), Stages()
    (_, first), (_, second) = (encoder.encode(frame, stages) for frame in moving_squares[:2])
    assert second is first
    _, other = encoder.encode(np.zeros((50, 60, 3), dtype=np.uint8), stages)
    assert (first.frame_size, other.frame_size) == ((90, 150), (50, 60))


def test_encoding_is_timed_by_stage(artefact, moving_squares):
    encoded = FrameEncoder(artefact).encode_for_clip(moving_squares[0])
    assert set(encoded.milliseconds) == {"frame", "resize", "encode"}


def test_an_entry_gets_the_tensors_that_it_takes_and_no_other(artefact, moving_squares):
    features = FrameEncoder(artefact).encode_for_clip(moving_squares[0]).features
    decoded = run_entry(artefact, "decode", {**features, "other": np.zeros(1, dtype=np.float32)})
    assert set(decoded) == {"kernels", "scores"}


def test_a_clips_features_are_its_frames_in_order(artefact, moving_squares):
    encoder = FrameEncoder(artefact)
    frames = [encoder.encode_for_clip(frame) for frame in moving_squares[:3]]
    joined = join_frames(frames)
    for place, frame in enumerate(frames):
        assert np.array_equal(joined["mask_features"][place], frame.features["mask_features"][0])


def test_the_best_wanted_queries_above_the_threshold_are_chosen(artefact):
    selection = Selection(artefact, InstanceOptions(score_threshold=0.3))
    scores = np.array([0.4, 0.9, 0.1, 0.8, 0.5], dtype=np.float32)
    assert selection.choose(scores, np.ones(5, dtype=np.bool_)).tolist() == [1, 3]
    assert selection.choose(scores, np.array([True, False, True, False, False])).tolist() == [0]


def test_queries_of_one_score_keep_their_order(artefact):
    chosen = Selection(artefact, InstanceOptions()).choose(np.full(4, 0.5), np.ones(4, dtype=np.bool_))
    assert chosen.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("names", "kept"), [(None, [True, True, True]), (["blue", "red"], [True, False, True])]
)
def test_only_named_classes_are_kept(artefact, names, kept):
    selection = Selection(artefact, InstanceOptions(classes=names))
    assert selection.keep_classes(np.arange(3)).tolist() == kept


@pytest.mark.parametrize("axis", [0, 1])
def test_rows_are_filled_up_with_zeros(artefact, axis):
    padded = Selection(artefact, InstanceOptions()).pad(np.ones((1, 1), dtype=np.float32), axis)
    assert padded.shape == ((2, 1) if axis == 0 else (1, 2))
    assert padded.ravel().tolist() == [1.0, 0.0]
