"""Clips joined by their masks, on a network whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevis.runtime.association.overlap import OverlapAssociation
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.masks import soft_iou
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.segmenter import VideoSegmenter

H, W, T = 64, 128, 4
QUERIES, KEPT = 3, 2


class ColorClipArtefact:
    """Has SeqFormer's entries: a kernel picks one colour in all frames.

    The order of the queries rotates from clip to clip, as a network's may.
    """

    engine = "colours"
    threads = 1

    def __init__(self) -> None:
        features = (3, H // 8, W // 8)
        self.metadata = Metadata(
            model="colours",
            driver="seqformer",
            entries={
                "encode": EntrySpec(
                    (TensorSpec("frame", (1, 3, H, W)),), (TensorSpec("features8", (1, *features)),)
                ),
                "decode": EntrySpec(
                    (TensorSpec("features8", (T, *features)),),
                    (
                        TensorSpec("kernels", (1, QUERIES, 4)),
                        TensorSpec("scores", (1, QUERIES, 3)),
                        TensorSpec("points", (T, QUERIES, 2)),
                        TensorSpec("mask_features", (T, *features)),
                    ),
                ),
                "segment": EntrySpec(
                    (
                        TensorSpec("kernels", (1, KEPT, 4)),
                        TensorSpec("points", (1, KEPT, 2)),
                        TensorSpec("mask_features", (1, *features)),
                    ),
                    (TensorSpec("mask_logits", (1, KEPT, H // 4, W // 4)),),
                ),
            },
            input_size=(H, W),
            classes=(Category(3, "red"), Category(5, "green"), Category(9, "blue")),
            options={"clip_length": T, "max_instances": KEPT, "mask_stride": 4},
        )
        self.clips: list[np.ndarray] = []

    def run(self, entry, inputs):
        spec = self.metadata.entries[entry]
        assert {tensor.name: tensor.shape for tensor in spec.inputs} == {
            name: array.shape for name, array in inputs.items()
        }
        return getattr(self, f"_{entry}")(**inputs)

    def _encode(self, frame):
        colours = frame[0].reshape(3, H // 8, 8, W // 8, 8).mean(axis=(2, 4)) / 255.0
        return {"features8": (2 * colours - colours.sum(axis=0))[None].astype(np.float32)}

    def _decode(self, features8):
        order = np.roll(np.arange(3), len(self.clips))
        self.clips.append(features8)
        kernels, scores = np.zeros((1, 3, 4), np.float32), np.zeros((1, 3, 3), np.float32)
        kernels[0, np.arange(3), order] = 20.0
        kernels[0, :, 3] = -10.0
        scores[0, np.arange(3), order] = np.clip(features8.max(axis=(0, 2, 3))[order], 0.01, 0.9)
        scores[0, np.arange(3), order] -= 0.001 * order
        points = np.zeros((T, QUERIES, 2), np.float32)
        return {"kernels": kernels, "scores": scores, "points": points, "mask_features": features8}

    def _segment(self, kernels, points, mask_features):
        logits = np.einsum("sc,chw->shw", kernels[0, :, :3], mask_features[0]) + kernels[0, :, 3:, None]
        return {"mask_logits": logits.repeat(2, axis=1).repeat(2, axis=2)[None].astype(np.float32)}


@pytest.fixture
def artefact() -> ColorClipArtefact:
    return ColorClipArtefact()


def stream(artefact: ColorClipArtefact, frames: np.ndarray, **options: object) -> list[FrameResult]:
    """What ``VideoSegmenter.stream`` yields, from frames in memory."""
    driver = VideoSegmenter(artefact, **options)._driver
    results = [result for frame in frames for result in driver.push(frame)]
    return results + driver.flush()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 10])
@pytest.mark.parametrize("clip_stride", [1, 2, 4, None])
def test_every_frame_is_answered_once_and_in_order(artefact, moving_squares, count, clip_stride):
    results = stream(artefact, moving_squares[:count], clip_stride=clip_stride)
    assert [result.frame_index for result in results] == list(range(count))
    assert all(len(result.instances) == 2 for result in results)


@pytest.mark.parametrize("clip_stride", [1, 2, 3])
def test_identities_hold_across_clips_that_share_frames(artefact, moving_squares, clip_stride):
    results = stream(artefact, moving_squares, clip_stride=clip_stride)
    tracks = [{i.class_index: i.track_id for i in result.instances} for result in results]
    assert all(track == {0: tracks[0][0], 1: tracks[0][1]} for track in tracks)


def test_clips_that_share_no_frame_start_new_identities(artefact, moving_squares):
    results = stream(artefact, moving_squares, clip_stride=T)
    identities = [{i.track_id for i in result.instances} for result in results]
    assert identities == [{1, 2}] * 4 + [{3, 4}] * 4 + [{5, 6}] * 2


def test_the_default_shares_two_frames(artefact, moving_squares):
    stream(artefact, moving_squares)
    first, second = artefact.clips[:2]
    np.testing.assert_array_equal(first[2:], second[:2])


def test_a_short_video_is_padded_with_its_last_frame(artefact, moving_squares):
    results = stream(artefact, moving_squares[:2])
    (clip,) = artefact.clips
    assert len(results) == 2
    np.testing.assert_array_equal(clip[1], clip[2])
    np.testing.assert_array_equal(clip[1], clip[3])


def test_masks_lie_on_the_objects_in_the_frames_own_resolution(artefact, moving_squares):
    for frame, result in zip(moving_squares, stream(artefact, moving_squares)):
        for instance in result.instances:
            mask, truth = instance.full_mask(), frame[..., instance.class_index] > 0
            assert mask.shape == (90, 150)
            assert (mask & truth).sum() / (mask | truth).sum() > 0.6


def test_the_delay_is_the_clip_less_one_and_single_frames_want_stream(artefact, moving_squares):
    segmenter = VideoSegmenter(artefact)
    assert segmenter._driver.delay == T - 1
    with pytest.raises(UserError, match="answers 3 frames late"):
        segmenter.process(moving_squares[0])


def test_only_the_wished_classes_come_back(artefact, moving_squares):
    results = stream(artefact, moving_squares, classes=["green"])
    assert {i.class_index for result in results for i in result.instances} == {1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_stride": 5}, "clips of 4 frames cannot begin every 5 frames"),
        ({"clip_stride": 0}, "clips of 4 frames cannot begin every 0 frames"),
        ({"match_iou": 0.0}, "match_iou"),
        ({"keyframe_interval": 3}, "has no option keyframe_interval"),
        ({"classes": ["purple"]}, "no class purple"),
    ],
)
def test_wrong_options_end_in_one_line(artefact, options, message):
    with pytest.raises(UserError, match=message):
        VideoSegmenter(artefact, **options)


def masks(*columns: int) -> np.ndarray:
    """Mask logits of instances that are one column each, (S, 2, 8)."""
    logits = np.full((len(columns), 2, 8), -20.0, dtype=np.float32)
    for instance, column in zip(logits, columns):
        instance[:, column] = 20.0
    return logits


def test_an_instance_that_overlaps_no_track_is_a_new_one():
    association = OverlapAssociation(match_iou=0.01)
    assert association.update({0: masks(1, 5), 1: masks(2, 5)}, 2) == [1, 2]
    assert association.update({1: masks(5, 7, 2), 2: masks(5, 7, 3)}, 3) == [2, 3, 1]


def test_a_track_that_a_clip_lacks_is_not_found_again():
    association = OverlapAssociation(match_iou=0.01)
    association.update({0: masks(1), 1: masks(1)}, 1)
    assert association.update({1: masks(), 2: masks()}, 0) == []
    assert association.update({2: masks(1), 3: masks(1)}, 1) == [2]


@settings(deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 5))
def test_soft_iou_lies_in_the_unit_interval_and_is_the_iou_of_hard_masks(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    soft = random.random((count, 12)).astype(np.float32)
    assert ((soft_iou(soft, soft) >= 0) & (soft_iou(soft, soft) <= 1 + 1e-6)).all()
    a, b = random.random((2, count, 12)) > 0.5
    expected = (a[:, None] & b[None]).sum(2) / np.maximum((a[:, None] | b[None]).sum(2), 1e-6)
    np.testing.assert_allclose(soft_iou(a.astype(np.float32), b.astype(np.float32)), expected, atol=1e-5)
