"""Clips joined by their queries, windows of clips, and pixels shared out, on a network anyone can check."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.segmenter import VideoSegmenter

H, W, T, K, N = 64, 128, 2, 3, 4
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]], dtype=np.uint8)


class ColorTubes:
    """MaXTron's entries: query n segments colour n, red, green, blue and black, the last one as no object.

    The order of the queries rotates from clip to clip, as a network's may.
    """

    engine = "colours"
    threads = 1

    def __init__(self, driver: str, stuff: tuple[int, ...] = ()) -> None:
        cells = (4, H // 4, W // 4)
        frame, features = TensorSpec("frame", (1, 3, H, W)), TensorSpec("features", (1, *cells))
        queries, scores = TensorSpec("queries", (1, N, 4)), TensorSpec("scores", (1, N, 3))
        kernels, masks = TensorSpec("kernels", (1, N, 4)), TensorSpec("mask_features", (T, *cells))
        self.metadata = Metadata(
            model="colours",
            driver=driver,
            entries={
                "encode": EntrySpec((frame,), (features,)),
                "decode": EntrySpec(
                    (TensorSpec("features", (T, *cells)),), (masks, queries, kernels, scores)
                ),
                "cross_clip": EntrySpec(
                    (TensorSpec("queries", (K, N, 4)),), (TensorSpec("kernels", (K, N, 4)), scores)
                ),
                "segment": EntrySpec(
                    (kernels, TensorSpec("mask_features", (1, *cells))),
                    (TensorSpec("mask_logits", (1, N, *cells[1:])),),
                ),
            },
            input_size=(H, W),
            classes=(Category(3, "red"), Category(5, "green"), Category(9, "blue")),
            options={"max_instances": N, "mask_stride": 4, "stuff_classes": list(stuff)},
        )
        self.calls: Counter[str] = Counter()
        self.windows: list[np.ndarray] = []

    def run(self, entry, inputs):
        for spec in self.metadata.entries[entry].inputs:
            assert inputs[spec.name].shape == spec.shape
            assert inputs[spec.name].dtype == np.float32
        self.calls[entry] += 1
        return getattr(self, f"_{entry}")(**inputs)

    def _encode(self, frame):
        image = cv2.resize(frame[0].transpose(1, 2, 0), (W // 4, H // 4), interpolation=cv2.INTER_AREA)
        closeness = [-np.abs(image - colour).sum(axis=2) / 50.0 for colour in COLOURS]
        return {"features": np.stack(closeness)[None].astype(np.float32)}

    def _decode(self, features):
        turn = np.roll(np.arange(N), self.calls["decode"])
        eye, scores = np.eye(4, dtype=np.float32), np.full((N, 3), 0.05, dtype=np.float32)
        scores[np.arange(3), np.arange(3)] = 0.9
        return {
            "mask_features": features,
            "queries": eye[turn][None],
            "kernels": eye[turn][None],
            "scores": scores[turn][None],
        }

    def _cross_clip(self, queries):
        self.windows.append(queries)
        scores = np.full((1, N, 3), 0.05, dtype=np.float32)
        scores[0, queries[0, :, 0] == 1, 2] = 0.7  # all that knows of the whole video calls red blue
        return {"kernels": queries, "scores": scores}

    def _segment(self, kernels, mask_features):
        logits = np.einsum("bnd,bdhw->bnhw", kernels, mask_features + 1.0)
        return {"mask_logits": np.ascontiguousarray(logits, dtype=np.float32)}


def video(count, size=(H, W)):
    """A red square that moves right over a green floor, under a black sky."""
    frames = []
    for index in range(count):
        frame = np.zeros((*size, 3), dtype=np.uint8)
        frame[size[0] // 2 :] = COLOURS[1]
        frame[8:40, 8 * index + 8 : 8 * index + 40] = COLOURS[0]
        frames.append(frame)
    return frames


def run(segmenter, frames):
    segmenter.reset()
    results = []
    for frame in frames:
        results.append(segmenter._driver.push(frame))
    return results, segmenter._driver.flush()


@pytest.fixture
def instances():
    return VideoSegmenter(ColorTubes("maxtron-vis"))


@pytest.fixture
def panoptic():
    return VideoSegmenter(ColorTubes("maxtron-vps", stuff=(1,)))


def test_an_identity_survives_the_border_of_clips(instances):
    answered, owed = run(instances, video(6))
    assert [len(results) for results in answered] == [0, 2, 0, 2, 0, 2]
    assert owed == []
    results = [result for results in answered for result in results]
    assert [result.frame_index for result in results] == list(range(6))
    assert len({(i.class_index, i.track_id) for r in results for i in r.instances}) == 2


def test_a_mask_is_where_its_object_is(instances):
    frames = video(2)
    for frame, result in zip(frames, run(instances, frames)[0][1]):
        masks = {i.class_index: i.full_mask() for i in result.instances}
        for index in (0, 1):
            expected = (frame == COLOURS[index]).all(axis=2)
            overlap = (masks[index] & expected).sum() / (masks[index] | expected).sum()
            assert overlap > 0.8


@pytest.mark.parametrize("length", [1, 3, 5])
def test_what_is_shorter_than_a_clip_is_padded_and_answered_once(instances, length):
    answered, owed = run(instances, video(length))
    indices = [result.frame_index for results in [*answered, owed] for result in results]
    assert indices == list(range(length))
    assert instances.artefact.calls["decode"] == -(-length // T)


@pytest.mark.parametrize("length", [1, 5, 6, 9])
def test_offline_answers_windows_of_k_clips(length):
    segmenter = VideoSegmenter(ColorTubes("maxtron-vis"), mode="offline")
    answered, owed = run(segmenter, video(length))
    assert segmenter._driver.delay == K * T - 1
    indices = [result.frame_index for results in [*answered, owed] for result in results]
    assert indices == list(range(length))
    assert [index for index, results in enumerate(answered) if results] == list(range(5, length, 6))


def test_offline_names_an_object_by_all_its_clips():
    segmenter = VideoSegmenter(ColorTubes("maxtron-vis"), mode="offline")
    _, owed = run(segmenter, video(5))
    assert [[i.class_index for i in result.instances] for result in owed] == 5 * [[2]]


def test_the_queries_of_a_window_are_aligned():
    segmenter = VideoSegmenter(ColorTubes("maxtron-vis"), mode="offline")
    run(segmenter, video(6))
    (window,) = segmenter.artefact.windows
    assert all(np.array_equal(clip, window[0]) for clip in window)


def test_no_pixel_has_two_segments(panoptic):
    for result in run(panoptic, video(2, size=(90, 120)))[0][1]:
        assert np.sum([i.full_mask() for i in result.instances], axis=0).max() == 1


def test_stuff_has_one_identity_and_the_sky_is_void(panoptic):
    (first, second) = run(panoptic, video(2))[0][1]
    for result in (first, second):
        by_class = {i.class_index: i for i in result.instances}
        assert by_class.keys() == {0, 1}
        assert by_class[0].track_id <= N
        assert by_class[1].track_id == N + 1 + 1
        assert not any(i.full_mask()[:6].any() for i in result.instances)


def test_a_class_that_is_not_wanted_leaves_its_pixels_void(panoptic):
    only = VideoSegmenter(panoptic.artefact, classes=["red"])
    for result in run(only, video(2))[0][1]:
        (red,) = result.instances
        assert not red.full_mask()[48:].any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "online"}, "mode online is not one of near-online, offline"),
        ({"stuff_threshold": 2.0}, "probability"),
        ({"keyframe_interval": 3}, "no option keyframe_interval"),
        ({"classes": ["cat"]}, "no class cat"),
    ],
)
def test_a_wrong_option_is_named(options, text):
    with pytest.raises(UserError, match=text):
        VideoSegmenter(ColorTubes("maxtron-vps"), **options)


def test_another_familys_option_is_refused(instances):
    with pytest.raises(UserError, match="no option stuff_threshold"):
        VideoSegmenter(instances.artefact, stuff_threshold=0.5)


def test_one_frame_at_a_time_cannot_answer_a_clip(instances):
    with pytest.raises(UserError, match="1 frames late"):
        instances.process(video(1)[0])
