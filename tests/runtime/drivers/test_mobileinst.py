"""Kernel reuse and identities, on a network whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, TensorSpec
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import StreamInterruptedError
from tests.runtime.conftest import ColorArtefact


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("interval", [1, 2, 3, 7, 100])
def test_decode_runs_on_keyframes_only(artefact, moving_squares, interval):
    segmenter = VideoSegmenter(artefact, keyframe_interval=interval)
    results = [segmenter.process(frame) for frame in moving_squares]
    assert [r.frame_index for r in results if r.is_keyframe] == list(range(0, 10, interval))
    assert artefact.calls["encode"] == artefact.calls["segment"] == 10
    assert artefact.calls["decode"] == len(range(0, 10, interval))


class Propagating(ColorArtefact):
    """Its frames between keyframes have an entry of their own, which notes whose features it is given."""

    def __init__(self) -> None:
        super().__init__()
        frame, features = (
            self.metadata.entries["encode"].inputs[0],
            self.metadata.entries["encode"].outputs[0],
        )
        given = TensorSpec("keyframe_features", features.shape)
        propagate = EntrySpec((frame, given), (features,))
        self.metadata = replace(self.metadata, entries={**self.metadata.entries, "propagate": propagate})
        self.encoded, self.given = [], []

    def _encode(self, frame):
        self.encoded.append(super()._encode(frame))
        return self.encoded[-1]

    def _propagate(self, frame, keyframe_features):
        self.given.append(keyframe_features)
        return {"mask_features": super()._encode(frame)["mask_features"]}


def test_frames_between_keyframes_are_propagated_where_the_artefact_can(artefact, moving_squares):
    propagating = Propagating()
    segmenters = [VideoSegmenter(network, keyframe_interval=4) for network in (artefact, propagating)]
    for index, frame in enumerate(moving_squares):
        expected, result = (segmenter.process(frame) for segmenter in segmenters)
        assert ("encode" in result.milliseconds) == (index % 4 == 0)
        assert ("propagate" in result.milliseconds) == (index % 4 > 0)
        assert [i.track_id for i in result.instances] == [i.track_id for i in expected.instances]
        assert all(
            iou(a.full_mask(), b.full_mask()) == 1 for a, b in zip(result.instances, expected.instances)
        )
    assert (propagating.calls["encode"], propagating.calls["propagate"]) == (3, 7)
    keyframes = [propagating.encoded[index // 3]["mask_features"] for index in range(7)]
    assert all(given is own for given, own in zip(propagating.given, keyframes))


def test_the_artefact_knows_its_own_keyframe_interval(artefact, moving_squares):
    results = [VideoSegmenter(artefact).process(frame) for frame in moving_squares[:1]]
    segmenter = VideoSegmenter(artefact)
    results = [segmenter.process(frame) for frame in moving_squares]
    assert [r.frame_index for r in results if r.is_keyframe] == [0, 3, 6, 9]


@pytest.mark.parametrize("association", ["slots", "online", "appearance"])
def test_objects_keep_identity_and_class_between_keyframes(artefact, moving_squares, association):
    segmenter = VideoSegmenter(artefact, keyframe_interval=3, association=association)
    results = [segmenter.process(frame) for frame in moving_squares]
    tracks = [{i.class_index: i.track_id for i in r.instances} for r in results]
    assert all(track == tracks[0] for track in tracks)
    assert set(tracks[0]) == {0, 1}


@pytest.mark.parametrize("association", ["slots", "online"])
def test_reused_kernels_keep_their_scores(artefact, moving_squares, association):
    segmenter = VideoSegmenter(artefact, keyframe_interval=3, association=association)
    results = [segmenter.process(frame) for frame in moving_squares[:3]]
    scores = [{i.class_index: i.score for i in r.instances} for r in results]
    assert scores[0] == scores[1] == scores[2]


def test_kernels_on_one_object_are_one_instance(artefact, moving_squares):
    """The network's queries all pick red: one track of one mask, not one for each."""
    decode = artefact._decode

    def redundant(**inputs):
        found = decode(**inputs)
        red = found["kernels"][:, found["scores"][0, :, 0].argmax()]
        scores = np.zeros((1, 3, 3), np.float32)
        scores[0, :, 0] = [0.5, 0.9, 0.7]
        return {"kernels": np.stack([red, 0.9 * red, 1.1 * red], axis=1), "scores": scores}

    artefact._decode = redundant
    segmenter = VideoSegmenter(artefact, keyframe_interval=3, association="appearance")
    results = [segmenter.process(frame) for frame in moving_squares]
    assert [[i.track_id for i in result.instances] for result in results] == [[1]] * 10
    assert iou(results[2].instances[0].full_mask(), moving_squares[2][..., 0] > 0) > 0.75


def test_what_is_too_faint_starts_no_track(artefact, moving_squares):
    options = {"association": "appearance", "score_threshold": 0.05}
    results = [
        VideoSegmenter(artefact, **options, birth_score=bar).process(moving_squares[0]) for bar in (0.2, 0.99)
    ]
    assert [len(result.instances) for result in results] == [2, 0]


def test_masks_lie_on_the_objects_in_the_frames_own_resolution(artefact, moving_squares):
    segmenter = VideoSegmenter(artefact, keyframe_interval=3)
    for frame in moving_squares:
        result = segmenter.process(frame)
        for instance in result.instances:
            truth = frame[..., instance.class_index] > 0
            assert instance.full_mask().shape == (90, 150)
            assert iou(instance.full_mask(), truth) > 0.75


def test_instances_come_by_falling_score_and_above_the_threshold(artefact, moving_squares):
    everything = VideoSegmenter(artefact, score_threshold=0.0).process(moving_squares[0])
    scores = [i.score for i in everything.instances]
    assert scores == sorted(scores, reverse=True)
    bar = (scores[0] + scores[1]) / 2
    kept = VideoSegmenter(artefact, score_threshold=bar).process(moving_squares[0])
    assert [i.score for i in kept.instances] == scores[:1]


def test_only_wanted_classes_are_returned(artefact, moving_squares):
    result = VideoSegmenter(artefact, classes=["green"]).process(moving_squares[0])
    assert [i.class_index for i in result.instances] == [1]


def test_an_empty_scene_gives_no_instances_and_costs_no_segment(artefact):
    result = VideoSegmenter(artefact).process(np.zeros((90, 150, 3), dtype=np.uint8))
    assert result.instances == ()
    assert artefact.calls["segment"] == 0


def test_every_stage_of_a_frame_is_timed(artefact, moving_squares):
    segmenter = VideoSegmenter(artefact, keyframe_interval=2)
    key, other = (segmenter.process(frame).milliseconds for frame in moving_squares[:2])
    host = {"frame", "resize", "encode", "segment", "masks"}
    assert set(key) == host | {"decode", "association"}
    assert set(other) == host
    assert key["frame"] >= sum(ms for stage, ms in key.items() if stage != "frame")


def test_stream_pairs_frames_with_results_and_starts_anew(artefact, moving_squares, tmp_path):
    import cv2

    for index, frame in enumerate(moving_squares):
        cv2.imwrite(str(tmp_path / f"{index:02d}.png"), frame[..., ::-1])
    segmenter = VideoSegmenter(artefact)
    for _ in range(2):
        pairs = list(segmenter.stream(tmp_path))
        assert [result.frame_index for _, result in pairs] == list(range(10))
        assert all(np.array_equal(a, b) for (a, _), b in zip(pairs, moving_squares))
        assert pairs[0][1].milliseconds["read"] > 0


def test_a_frame_of_another_size_interrupts_the_video(artefact, moving_squares):
    segmenter = VideoSegmenter(artefact)
    segmenter.process(moving_squares[0])
    with pytest.raises(StreamInterruptedError, match="frame 1 is 10x20, the video began with 90x150"):
        segmenter.process(np.zeros((10, 20, 3), dtype=np.uint8))
    segmenter.reset()
    assert segmenter.process(np.zeros((10, 20, 3), dtype=np.uint8)).frame_index == 0


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((10, 20), np.uint8),
        np.zeros((10, 20, 4), np.uint8),
        np.zeros((10, 20, 3), np.float32),
        np.zeros((0, 20, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_frame_is_refused(artefact, frame):
    with pytest.raises(UserError, match=r"give \(H, W, 3\) uint8 RGB"):
        VideoSegmenter(artefact).process(frame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keyframe_interval": 0}, "keyframe interval is 0"),
        ({"association": "iou"}, "slots, online"),
        ({"score_threshold": 1.5}, "probabilities"),
        ({"classes": ["cat"]}, "the artefact knows red, green, blue"),
        ({"clip_length": 5}, "its options are .*keyframe_interval"),
    ],
)
def test_an_option_that_does_not_fit_is_named(artefact, options, message):
    with pytest.raises(UserError, match=message):
        VideoSegmenter(artefact, **options)


def test_an_artefact_for_an_unknown_driver_lists_the_known_ones(artefact):
    from dataclasses import replace

    artefact.metadata = replace(artefact.metadata, driver="clip")
    with pytest.raises(UserError, match=r"needs driver clip, known are .*mobileinst"):
        VideoSegmenter(artefact)
