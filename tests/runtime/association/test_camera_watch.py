"""One watch of the camera: what it is asked, and what that costs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mobilevis.runtime.association import camera_motion, camera_watch
from mobilevis.runtime.association.camera_watch import CameraWatch
from mobilevis.runtime.segmenter import VideoSegmenter
from tests.runtime.drivers.squares import SIDE, H, SquaresArtefact, W

SIZE = HEIGHT, WIDTH = 320, 640


def view(right: int) -> np.ndarray:
    """What a camera sees of a picture of blots that moved so many pixels."""
    blots = np.random.default_rng(0).integers(0, 256, (6, 20)).astype(np.uint8)
    picture = cv2.resize(blots, (WIDTH + 200, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(picture[:, 100 - right : 100 - right + WIDTH])


@pytest.fixture(params=[False, True], ids=["steps", "motions"])
def watch(request: pytest.FixtureRequest) -> CameraWatch:
    return CameraWatch(SIZE, tells_motion=request.param)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often whole pictures were shrunk, and steps looked for."""
    calls = {"shrink": 0, "step": 0}
    shrink, find_camera_step = camera_motion.shrink, camera_watch.find_camera_step

    def shrink_counted(picture, *cell):
        calls["shrink"] += picture.dtype == np.uint8
        return shrink(picture, *cell)

    def find_counted(before, now):
        calls["step"] += 1
        return find_camera_step(before, now)

    monkeypatch.setattr(camera_motion, "shrink", shrink_counted)
    monkeypatch.setattr(camera_watch, "find_camera_step", find_counted)
    return calls


def test_the_first_frame_tells_no_step(watch):
    watch.show(view(0))
    assert watch.look().step is None


def test_a_step_is_since_the_last_frame_that_was_looked_at(watch):
    watch.show(view(0))
    watch.look()
    watch.show(view(64))
    watch.show(view(32))
    assert watch.look().step == pytest.approx((0, 32), abs=2.0)


def test_pictures_may_share_their_memory(watch):
    picture = view(0)
    watch.show(picture)
    watch.look()
    picture[:] = view(32)
    watch.show(picture)
    assert watch.look().step == pytest.approx((0, 32), abs=2.0)


def test_a_frame_is_shrunk_once_and_its_step_found_once_whoever_asks(watch, counted):
    for right in (0, 32):
        watch.show(view(right))
        for _ in range(2):
            assert watch.look().step == watch.look().step
    assert counted == {"shrink": 2, "step": 1}


@pytest.mark.parametrize(
    ("association", "propagates", "expected"),
    [
        ("online", False, {"shrink": 0, "step": 0}),
        ("appearance", False, {"shrink": 7, "step": 6}),
        ("online", True, {"shrink": 7, "step": 4}),
        ("appearance", True, {"shrink": 7, "step": 6}),
    ],
)
def test_driver_and_association_share_what_they_ask(counted, association, propagates, expected):
    """Seven frames, of which the first, the fourth and the last are keyframes."""
    frame = np.zeros((H, W, 3), np.uint8)
    frame[8 : 8 + SIDE, 8 : 8 + SIDE] = (255, 40, 0)
    artefact = SquaresArtefact(propagates=propagates)
    segmenter = VideoSegmenter(artefact, keyframe_interval=3, association=association)
    for _ in range(7):
        segmenter.process(frame)
    assert counted == expected
