"""Places of reused kernels: a frame's boxes first, the last mask or the camera where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.association.camera_motion import CameraMotion
from mobilevis.runtime.association.regions import Region
from mobilevis.runtime.cells import tight_boxes
from mobilevis.runtime.places import LOOK_WEIGHT, PlacedKernels, find_boxes

HERE = (0.2, 0.2, 0.4, 0.6)
NEAR = (0.25, 0.22, 0.45, 0.62)
FAR = (0.6, 0.2, 0.8, 0.6)


def rows(*boxes: tuple[float, ...]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def sure(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_an_object_s_box_is_the_one_near_its_last():
    found, is_found = find_boxes(rows(HERE), rows(FAR, NEAR), sure(0.9, 0.5))
    assert is_found.tolist() == [True]
    assert found[0].tolist() == pytest.approx(NEAR)


def test_of_two_boxes_on_one_thing_the_surer_is_taken():
    shaky = (0.24, 0.22, 0.45, 0.62)
    found, _ = find_boxes(rows(HERE), rows(shaky, NEAR), sure(0.4, 0.5))
    assert found[0].tolist() == pytest.approx(NEAR)


@pytest.mark.parametrize(("box", "objectness"), [(FAR, 0.9), (NEAR, 0.1)])
def test_boxes_that_are_far_or_faint_are_none(box, objectness):
    _, is_found = find_boxes(rows(HERE), rows(box), sure(objectness))
    assert is_found.tolist() == [False]


def test_no_two_objects_take_one_box():
    places = rows(HERE, (0.22, 0.2, 0.42, 0.6))
    found, is_found = find_boxes(places, rows(NEAR), sure(0.9))
    assert is_found.tolist() == [False, True]
    assert found[1].tolist() == pytest.approx(NEAR)


@pytest.mark.parametrize(("places", "boxes"), [(rows(), rows(HERE)), (rows(HERE), rows()), (rows(), rows())])
def test_nothing_is_found_of_nothing(places, boxes):
    found, is_found = find_boxes(places, boxes, np.full(len(boxes), 0.9, np.float32))
    assert (found.shape, is_found.any()) == ((len(places), 4), False)


def frame(*boxes: tuple[float, ...]) -> dict[str, np.ndarray]:
    return {"boxes": rows(*boxes)[None], "objectness": np.full((1, len(boxes), 1), 0.9, np.float32)}


def mask(box: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """What is seen of a mask of 20 x 20 cells with foreground in the box."""
    x0, y0, x1, y1 = (round(20 * edge) for edge in box)
    cells = np.zeros((1, 20, 20), bool)
    cells[0, y0:y1, x0:x1] = True
    return tight_boxes(cells)


def peak(objects: PlacedKernels) -> list[float]:
    """Where the kernel's parabola is highest, (x, y) as fractions of the input."""
    a, b = objects.kernels[0, -5:-3], objects.kernels[0, -3:-1]
    return (0.5 - b / (2 * a)).tolist()


@pytest.fixture
def objects() -> PlacedKernels:
    """One object in ``HERE``, its keyframe seen."""
    centre, half = np.array([0.3, 0.4]) - 0.5, np.array([0.1, 0.2])
    squares = 1 / half**2
    kernel = [1.0, *-squares, *(2 * squares * centre), 1 - (squares * centre**2).sum()]
    placed = PlacedKernels(np.array([kernel], np.float32), rows(HERE))
    placed.see(*mask(HERE))
    return placed


def test_a_kernel_s_place_is_its_object_s_box_of_the_frame(objects):
    objects.go_on(frame(NEAR))
    assert peak(objects) == pytest.approx([0.35, 0.42], abs=1e-5)


def test_an_object_that_is_missed_goes_on_with_its_last_mask(objects):
    objects.go_on(frame(NEAR))
    objects.see(*mask((0.25, 0.2, 0.45, 0.6)))
    objects.go_on(frame(FAR))
    objects.see(*mask((0.35, 0.2, 0.55, 0.6)))
    objects.go_on(frame(FAR))
    assert peak(objects) == pytest.approx([0.45, 0.42], abs=1e-5)


def test_without_boxes_of_frames_masks_are_followed(objects):
    objects.go_on(frame())
    objects.see(*mask((0.3, 0.2, 0.5, 0.6)))
    objects.go_on(frame())
    assert peak(objects) == pytest.approx([0.4, 0.4], abs=1e-5)


def test_an_empty_mask_leaves_its_object_where_it_was(objects):
    objects.go_on(frame())
    objects.see(*mask((0.5, 0.5, 0.5, 0.5)))
    objects.go_on(frame())
    assert peak(objects) == pytest.approx([0.3, 0.4], abs=1e-5)


def camera(right: float, misfit: float, size: tuple[int, int] = (160, 160)) -> CameraMotion:
    """One that moves all by this part of the input, and fits the picture so badly."""
    return CameraMotion(size, 1 + 0j, complex(0.0, right * size[1]), np.full((20, 20), misfit))


def regions(box: tuple[float, ...]) -> list[Region]:
    x0, y0, x1, y1 = (round(20 * edge) for edge in box)
    mask = np.ones((y1 - y0, x1 - x0), np.bool_)
    return [Region(y0, x0, y1, x1, mask, mask.size)]


@pytest.mark.parametrize(("misfit", "x"), [(-1.0, 0.5), (1.0, 0.3)], ids=["carried", "on its own"])
def test_on_propagated_frames_objects_go_with_the_camera_if_their_pictures_did(objects, misfit, x):
    objects.go_on_with(camera(0.2, misfit), regions(HERE), 8)
    assert peak(objects) == pytest.approx([x, 0.4], abs=1e-5)


def test_where_the_camera_is_not_known_objects_are_expected_where_they_were(objects):
    objects.go_on_with(None, regions(HERE), 8)
    assert peak(objects) == pytest.approx([0.3, 0.4], abs=1e-5)


@pytest.mark.parametrize(
    ("misfit", "x"), [(1.0, 0.4), (-1.0, 0.3 + 0.1 * LOOK_WEIGHT)], ids=["on its own", "carried"]
)
def test_a_look_finds_what_went_its_own_way_and_corrects_what_was_carried(objects, misfit, x):
    objects.go_on_with(camera(0.0, misfit), regions(HERE), 8)
    objects.look(*mask((0.3, 0.2, 0.5, 0.6)))
    assert peak(objects) == pytest.approx([x, 0.4], abs=1e-5)


def test_a_look_changes_an_object_s_size_by_a_part_of_what_it_says(objects):
    full = np.full((1, 100, 100), 3.0, np.float32)
    objects.go_on_with(None, regions(HERE), 8)
    before = (objects.cut(full, 0.0) > 0).any(axis=1).sum()
    objects.look(*mask((0.1, 0.2, 0.5, 0.6)))
    after = (objects.cut(full, 0.0) > 0).any(axis=1).sum()
    assert after / before == pytest.approx(1 + LOOK_WEIGHT, abs=0.05)


def test_a_look_at_an_empty_mask_leaves_its_object_where_it_is_expected(objects):
    objects.go_on_with(camera(0.2, -1.0), regions(HERE), 8)
    objects.look(*mask((0.5, 0.5, 0.5, 0.5)))
    assert peak(objects) == pytest.approx([0.5, 0.4], abs=1e-5)


def test_a_box_of_the_frame_cuts_closer_than_one_of_the_last(objects):
    full = np.full((1, 20, 20), 3.0, np.float32)
    objects.go_on(frame(HERE))
    close = (objects.cut(full, 0.0) > 0).sum()
    objects.see(*mask(HERE))
    objects.go_on(frame())
    assert (objects.cut(full, 0.0) > 0).sum() > close
