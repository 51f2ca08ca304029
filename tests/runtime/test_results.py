"""A frame's result as arrays."""

from __future__ import annotations

import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mobilevis.runtime.colors import track_color
from mobilevis.runtime.draw import draw_result
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.segmenter import VideoSegmenter

SIZE = (6, 8)


def make_result() -> FrameResult:
    instance = Instance(7, 1, 0.5, (2, 1, 5, 3), np.ones((2, 3), dtype=np.bool_), SIZE)
    return FrameResult(0, SIZE, (instance,), True, categories=("cat", "dog"))


def test_arrays_hold_what_the_instances_hold() -> None:
    result = make_result()
    np.testing.assert_array_equal(result.masks[0], result.instances[0].full_mask())
    assert result.boxes.tolist() == [[2, 1, 5, 3]]
    assert (result.track_ids.tolist(), result.scores.tolist()) == ([7], [0.5])
    assert result.class_names.tolist() == ["dog"]


def test_an_empty_frame_keeps_the_shapes() -> None:
    result = FrameResult(0, SIZE, (), True)
    assert (result.masks.shape, result.boxes.shape) == ((0, *SIZE), (0, 4))
    assert result.track_ids.shape == result.scores.shape == result.class_names.shape == (0,)


def make_instance(track_id: int) -> Instance:
    return Instance(track_id, 0, 0.5, (0, 0, 1, 1), np.ones((1, 1), dtype=np.bool_), SIZE)


def test_repr_is_one_short_line() -> None:
    assert repr(make_result()) == "<FrameResult 0, 6x8, keyframe: 7 dog 0.50>"
    assert repr(FrameResult(3, SIZE, (), False)) == "<FrameResult 3, 6x8: nothing>"
    many = FrameResult(0, SIZE, tuple(make_instance(track) for track in range(1, 21)), False)
    assert repr(many).endswith("4 class 0 0.50, 5 class 0 0.50 and 15 more>")


def test_plot_draws_into_a_copy_of_the_frame() -> None:
    frame = np.full((60, 80, 3), 100, dtype=np.uint8)
    instance = Instance(7, 1, 0.5, (20, 30, 50, 50), np.ones((20, 30), dtype=np.bool_), (60, 80))
    result = FrameResult(0, (60, 80), (instance,), True, categories=("cat", "dog"))
    drawn = result.plot(frame)
    assert (frame == 100).all()
    np.testing.assert_allclose(drawn[49, 35], track_color(7), atol=12)  # the outline is anti-aliased
    np.testing.assert_array_equal(drawn, draw_result(frame, result, ("cat", "dog")))
    assert replace(result, categories=()).plot(frame).shape == frame.shape


def test_plot_refuses_a_frame_of_another_size() -> None:
    with pytest.raises(UserError, match="the frame is 8x6, the result's 6x8: give the result's frame"):
        make_result().plot(np.zeros((8, 6, 3), dtype=np.uint8))


def test_supervision_gets_what_the_arrays_hold() -> None:
    pytest.importorskip("supervision")
    result = make_result()
    detections = result.to_supervision()
    assert len(detections) == 1
    np.testing.assert_array_equal(detections.mask, result.masks)
    assert detections.xyxy.tolist() == result.boxes.tolist()
    assert detections.area.tolist() == [result.instances[0].area]
    assert detections.confidence.tolist() == [0.5]
    assert (detections.class_id.tolist(), detections.tracker_id.tolist()) == ([1], [7])
    assert detections["class_name"].tolist() == ["dog"]


def test_supervision_gets_an_empty_frame_too() -> None:
    pytest.importorskip("supervision")
    assert len(FrameResult(0, SIZE, (), True, categories=("cat",)).to_supervision()) == 0


def test_without_supervision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(
        UserError, match=r'supervision is not installed: pip install "mobilevis\[supervision\]"'
    ):
        make_result().to_supervision()


def test_process_takes_a_path_rgb_and_bgr_alike(artefact, moving_squares, tmp_path):
    frame = moving_squares[0]
    bgr = np.ascontiguousarray(frame[..., ::-1])
    cv2.imwrite(str(tmp_path / "frame.png"), bgr)
    expected = VideoSegmenter(artefact).process(frame)
    assert len(expected.class_names) == len(expected.instances) > 0
    for given, is_bgr in ((tmp_path / "frame.png", False), (str(tmp_path / "frame.png"), False), (bgr, True)):
        result = VideoSegmenter(artefact).process(given, bgr=is_bgr)
        np.testing.assert_array_equal(result.masks, expected.masks)
        assert result.scores.tolist() == expected.scores.tolist()


def test_process_refuses_what_is_no_image(artefact, moving_squares, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    for given in (tmp_path / "notes.txt", str(tmp_path / "absent.png"), None, moving_squares[0] / 255.0):
        with pytest.raises(UserError):
            VideoSegmenter(artefact).process(given)
