"""A frame's result as arrays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

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


def test_repr_prints_no_mask() -> None:
    assert "array" not in repr(make_result())
    assert "track_id=7" in repr(make_result())


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
