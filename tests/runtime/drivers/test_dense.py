"""Dense kernels streamed: selection on keyframes, places that move with their objects."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.segmenter import VideoSegmenter

H, W = 96, 160
SLOTS = 4
SIDE = 24  # of the squares, in the input's pixels
CELLS = 6


class SquaresArtefact:
    """A detector that finds bright squares: one feature, brightness; kernels also say where.

    Each square has two cells, the second one fainter; a cell's embedding is the square's colour.
    """

    engine = "squares"
    threads = 1

    def __init__(self) -> None:
        masks = TensorSpec("mask_features", (1, 1 + 5, H // 4, W // 4))
        level = TensorSpec("level3", (1, 3, H, W))
        cells = {"kernels": 6, "scores": 2, "boxes": 4, "embeddings": 3}
        self.metadata = Metadata(
            model="squares",
            driver="mobileinst-dense",
            entries={
                "encode": EntrySpec((TensorSpec("frame", (1, 3, H, W)),), (masks, level)),
                "decode": EntrySpec(
                    (level,), tuple(TensorSpec(name, (1, CELLS, width)) for name, width in cells.items())
                ),
                "segment": EntrySpec(
                    (TensorSpec("kernels", (1, SLOTS, 6)), masks),
                    (TensorSpec("mask_logits", (1, SLOTS, H // 4, W // 4)),),
                ),
            },
            input_size=(H, W),
            classes=(Category(1, "square"), Category(2, "other")),
            options={"keyframe_interval": 3, "max_instances": SLOTS, "mask_stride": 4},
        )
        self.calls: Counter[str] = Counter()

    def run(self, entry, inputs):
        self.calls[entry] += 1
        return getattr(self, f"_{entry}")(**inputs)

    def _encode(self, frame):
        bright = cv2.resize(frame[0].max(axis=0) / 255.0, (W // 4, H // 4), interpolation=cv2.INTER_AREA)
        x, y = np.meshgrid(
            (np.arange(W // 4) + 0.5) / (W // 4) - 0.5, (np.arange(H // 4) + 0.5) / (H // 4) - 0.5
        )
        features = np.stack([bright - 0.5, x * x, y * y, x, y, np.ones_like(x)])
        return {"mask_features": features[None].astype(np.float32), "level3": frame}

    def _decode(self, level3):
        found = {
            "kernels": np.zeros((1, CELLS, 6), np.float32),
            "scores": np.zeros((1, CELLS, 2), np.float32),
            "boxes": np.zeros((1, CELLS, 4), np.float32),
            "embeddings": np.zeros((1, CELLS, 3), np.float32),
        }
        _, _, stats, _ = cv2.connectedComponentsWithStats((level3[0].max(axis=0) > 127).astype(np.uint8))
        for square, (x, y, w, h, _) in enumerate(stats[1:]):
            for cell, score in ((2 * square, 0.9 - 0.1 * square), (2 * square + 1, 0.5)):
                box = np.array([x / W, y / H, (x + w) / W, (y + h) / H])
                centre, squares = (box[:2] + box[2:]) / 2 - 0.5, 4 / (box[2:] - box[:2]) ** 2
                place = [*-squares, *(2 * squares * centre), 1.0 - (squares * centre**2).sum()]
                found["kernels"][0, cell] = [8.0, *place]
                found["scores"][0, cell] = (score, 0.05)
                found["boxes"][0, cell] = box
                found["embeddings"][0, cell] = level3[0, :, y + h // 2, x + w // 2]
        return found

    def _segment(self, kernels, mask_features):
        assert kernels.shape == (1, SLOTS, 6)
        return {"mask_logits": np.einsum("bsd,bdhw->bshw", kernels, mask_features).astype(np.float32)}


@pytest.fixture
def artefact() -> SquaresArtefact:
    return SquaresArtefact()


@pytest.fixture
def frames() -> np.ndarray:
    """Nine 96×160 frames: a red square walks right, a green one left."""
    frames = np.zeros((9, H, W, 3), np.uint8)
    for t, frame in enumerate(frames):
        frame[8 : 8 + SIDE, 8 + 3 * t : 8 + SIDE + 3 * t] = (255, 40, 0)
        frame[56 : 56 + SIDE, 120 - 3 * t : 120 + SIDE - 3 * t] = (0, 255, 40)
    return frames


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("association", ["online", "appearance"])
def test_each_object_is_one_track_in_its_place(artefact, frames, association):
    segmenter = VideoSegmenter(artefact, keyframe_interval=3, association=association)
    for frame in frames:
        result = segmenter.process(frame)
        assert sorted(i.track_id for i in result.instances) == [1, 2]
        for instance in result.instances:
            truth = frame[..., 0 if instance.track_id == 1 else 1] > 127
            assert iou(instance.full_mask(), truth) > 0.85


def test_decode_runs_on_keyframes_only(artefact, frames):
    segmenter = VideoSegmenter(artefact, keyframe_interval=4)
    assert [segmenter.process(frame).is_keyframe for frame in frames] == [i % 4 == 0 for i in range(9)]
    assert (artefact.calls["encode"], artefact.calls["decode"]) == (9, 3)


def test_a_reused_kernel_follows_its_object_far_beyond_the_keyframe_s_box(artefact, frames):
    """After eight frames the squares are beside where they were."""
    segmenter = VideoSegmenter(artefact, keyframe_interval=100)
    *_, result = [segmenter.process(frame) for frame in frames]
    assert len(result.instances) == 2
    for instance in result.instances:
        assert iou(instance.full_mask(), frames[8][..., instance.track_id - 1] > 127) > 0.85


def test_an_object_that_vanishes_has_no_mask(artefact, frames):
    segmenter = VideoSegmenter(artefact, keyframe_interval=100)
    segmenter.process(frames[0])
    assert segmenter.process(np.zeros_like(frames[0])).instances == ()


def test_a_video_without_objects_calls_for_no_segment(artefact, frames):
    results = [VideoSegmenter(artefact).process(np.zeros_like(frames[0]))]
    assert [r.instances for r in results] == [()]
    assert artefact.calls["segment"] == 0


def test_scores_are_the_detector_s_times_the_mean_mask_probability(artefact, frames):
    first, second = VideoSegmenter(artefact).process(frames[0]).instances
    assert 0.85 < first.score < 0.9
    assert 0.75 < second.score < 0.8


def test_other_classes_can_be_left_out(artefact, frames):
    assert VideoSegmenter(artefact, classes=["other"]).process(frames[0]).instances == ()


def test_frames_of_another_shape_than_the_input_are_letterboxed(artefact, frames):
    tall = np.zeros((180, 160, 3), np.uint8)
    tall[:96] = frames[0]
    result = VideoSegmenter(artefact).process(tall)
    assert len(result.instances) == 2
    assert all(iou(i.full_mask(), tall.max(axis=2) > 127) > 0.4 for i in result.instances)


@pytest.mark.parametrize(
    ("options", "what"), [({"association": "slots"}, "needs queries"), ({"nms_iou": 0.0}, "nms_iou is 0.0")]
)
def test_options_out_of_range_are_refused(artefact, options, what):
    with pytest.raises(UserError, match=what):
        VideoSegmenter(artefact, **options)
