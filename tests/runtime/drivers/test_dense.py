"""Dense kernels streamed: selection on keyframes, places that move with their objects."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mobilevis.runtime.association import camera
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter
from tests.runtime.drivers.squares import CELLS, SIDE, H, SquaresArtefact, W


@pytest.fixture
def artefact() -> SquaresArtefact:
    return SquaresArtefact()


@pytest.fixture
def frames() -> np.ndarray:
    """Nine 96×160 frames: a red square walks right, a green one left."""
    return walk(9, step=3, red=8, green=120)


def walk(count: int, step: int, red: int, green: int) -> np.ndarray:
    """Frames on which a red square goes right and a green one left, from these columns on."""
    frames = np.zeros((count, H, W, 3), np.uint8)
    for t, frame in enumerate(frames):
        for top, left, colour in ((8, red + step * t, (255, 40, 0)), (56, green - step * t, (0, 255, 40))):
            frame[top : top + SIDE, left : left + SIDE] = colour
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


def test_objects_that_jump_are_followed_by_the_boxes_of_every_frame():
    """Half their side a frame: their last masks are no guide."""
    frames = walk(7, step=12, red=0, green=130)
    segmenter = VideoSegmenter(SquaresArtefact(), keyframe_interval=100, association="appearance")
    *_, result = [segmenter.process(frame) for frame in frames]
    truth = frames[-1].max(axis=2) > 127
    assert iou(np.any([i.full_mask() for i in result.instances], axis=0), truth) > 0.85


def test_objects_on_propagated_frames_are_where_a_first_look_finds_them():
    """A third of their side a frame, and no boxes: what is looked for in its last place alone is cut."""
    frames = walk(6, step=8, red=0, green=130)
    artefact = SquaresArtefact(propagates=True)
    segmenter = VideoSegmenter(artefact, keyframe_interval=100, association="appearance")
    *_, result = [segmenter.process(frame) for frame in frames]
    truth = frames[-1].max(axis=2) > 127
    assert artefact.calls == {"encode": 1, "propagate": 5, "decode": 1, "describe": 1, "segment": 11}
    assert iou(np.any([i.full_mask() for i in result.instances], axis=0), truth) > 0.85


@pytest.mark.parametrize(("least_cells", "least", "most"), [(32, 0.85, 1.0), (64, 0.0, 0.5)])
def test_objects_on_propagated_frames_go_with_a_camera_that_jumps(monkeypatch, least_cells, least, most):
    """Nearly their side a frame: little is left where they were. Of 60 cells, a miniature tells no camera's
    step unless so few are trusted."""
    monkeypatch.setattr(camera, "LEAST_CELLS", least_cells)
    blots = np.random.default_rng(0).integers(0, 60, (6, 16)).astype(np.float32)
    ground = cv2.resize(blots, (2 * W, H), interpolation=cv2.INTER_CUBIC).clip(0, 60)[..., None]
    picture = np.repeat(ground.astype(np.uint8), 3, axis=2)
    for top, left, colour in ((8, 110, (255, 40, 0)), (56, 130, (0, 255, 40))):
        picture[top : top + SIDE, left : left + SIDE] = colour
    segmenter = VideoSegmenter(SquaresArtefact(propagates=True), keyframe_interval=100)
    for left in range(0, 80, 20):
        frame = np.ascontiguousarray(picture[:, left : left + W])
        result = segmenter.process(frame)
    shown = np.any([np.zeros((H, W), np.bool_), *(i.full_mask() for i in result.instances)], axis=0)
    assert least <= iou(shown, frame.max(axis=2) > 127) <= most


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


@pytest.mark.parametrize("association", ["online", "appearance"])
@pytest.mark.parametrize(("part_masks", "most"), [(True, 1), (False, 2)])
def test_neighbours_of_a_class_part_what_both_claim_unless_asked_not_to(
    frames, association, part_masks, most
):
    class Wide(SquaresArtefact):
        """Boxes two fifths of a side too wide: each square's mask reaches into the other."""

        def _find(self, frame):
            found = super()._find(frame)
            found["boxes"][..., 0] -= 0.4 * SIDE / W
            found["boxes"][..., 2] += 0.4 * SIDE / W
            found["kernels"][..., -1] += 6.0
            return found

    frame = np.zeros((H, W, 3), np.uint8)
    frame[8 : 8 + SIDE, 8 : 8 + SIDE] = (255, 40, 0)
    frame[8 : 8 + SIDE, 36 : 36 + SIDE] = (0, 255, 40)
    result = VideoSegmenter(Wide(), association=association, part_masks=part_masks).process(frame)
    assert len(result.instances) == 2
    assert result.masks.sum(axis=0).max() == most


@pytest.mark.parametrize("score_threshold", [0.3, 0.85, 0.95])
def test_what_is_known_of_objectness_changes_nothing(frames, score_threshold):
    """It only says which cells need no look: the same is shown, and the same best score is known."""

    class Unsure(SquaresArtefact):
        def _encode(self, frame):
            return {**super()._encode(frame), "objectness": np.ones((1, CELLS, 1), np.float32)}

    shown, best = [], []
    for artefact in (SquaresArtefact(), Unsure()):
        segmenter = VideoSegmenter(artefact, keyframe_interval=1, score_threshold=score_threshold)
        results = [segmenter.process(frame) for frame in frames]
        shown.append([[(i.track_id, i.score, i.box) for i in result.instances] for result in results])
        best.append(segmenter.best_score)
    assert shown[0] == shown[1]
    assert best == pytest.approx([0.9, 0.9])


def test_how_sure_the_network_is_of_what_is_not_shown_is_known_all_the_same(artefact, frames):
    """No cell is likely at this threshold; a message says how low it must be."""
    segmenter = VideoSegmenter(artefact, score_threshold=0.95)
    assert segmenter.process(frames[0]).instances == ()
    assert segmenter.best_score == pytest.approx(0.9)


@pytest.mark.parametrize("entry", ["decode", "describe"])
def test_an_artefact_whose_entries_read_whole_maps_is_refused(artefact, entry):
    spec = artefact.metadata.entries[entry]
    artefact.metadata.entries[entry] = replace(spec, inputs=spec.inputs[1:])
    with pytest.raises(UserError, match=rf"with another {entry} \(squares\.onnx\): export the model again$"):
        VideoSegmenter(artefact)
