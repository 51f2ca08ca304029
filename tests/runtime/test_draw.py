"""The overlay: outlines, translucent fills, and labels that can be read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.colors import PALETTE, TrackColors, track_color
from mobilevis.runtime.draw import LEGEND_COLOR, OPACITY, draw_result
from mobilevis.runtime.labels import LabelLayer, readable_ink
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.speed import WINDOW, SpeedLegend

SIZE = (120, 200)


def make_instance(track_id, box, score=0.9, size=SIZE):
    x0, y0, x1, y1 = box
    return Instance(track_id, 0, score, box, np.ones((y1 - y0, x1 - x0), dtype=np.bool_), size)


def draw(*instances, size=SIZE, **more):
    result = FrameResult(0, size, instances, True)
    return draw_result(np.full((*size, 3), 100, dtype=np.uint8), result, ["cat"], **more)


def test_an_object_is_tinted_and_outlined_in_its_colour():
    drawn = draw(make_instance(5, (60, 50, 140, 100)))
    color = np.array(track_color(5))
    np.testing.assert_allclose(drawn[75, 100], 100 * (1 - OPACITY) + color * OPACITY, atol=1.5)
    np.testing.assert_allclose(drawn[99, 100], color, atol=12)  # the line is anti-aliased
    assert (drawn[102:, :] == 100).all()


def test_tracks_of_one_frame_are_unlike_even_where_their_numbers_wish_for_one_colour():
    drawn = draw(make_instance(1, (10, 60, 60, 100)), make_instance(1 + len(PALETTE), (120, 60, 180, 100)))
    assert not np.array_equal(drawn[99, 30], drawn[99, 150])


def test_a_video_keeps_a_colour_that_the_number_alone_would_not_give():
    colors, late = TrackColors(), 1 + len(PALETTE)
    draw(make_instance(1, (10, 60, 60, 100)), make_instance(late, (120, 60, 180, 100)), colors=colors)
    drawn = draw(make_instance(late, (120, 60, 180, 100)), colors=colors)
    assert tuple(drawn[99, 150]) != track_color(late)


def bars(canvas, color):
    """The rectangle around the pixels of a colour: left, top, width, height."""
    return cv2.boundingRect((canvas == color).all(axis=2).astype(np.uint8))


places = st.tuples(st.integers(-20, 220), st.integers(-20, 140))


@given(st.lists(places, min_size=2, max_size=12))
def test_labels_do_not_cover_each_other(corners):
    canvas = np.zeros((*SIZE, 3), dtype=np.uint8)
    labels, written = LabelLayer(canvas), []
    for corner, color in zip(corners, PALETTE):
        if labels.write("7 dog", corner, color):
            written.append(color)
    assert len(written) >= min(len(corners), 8)  # there is room for 8 at least
    boxes = [bars(canvas, color) for color in written]
    for index, (x, y, w, h) in enumerate(boxes):
        assert 0 <= x <= x + w <= SIZE[1]
        assert 0 <= y <= y + h <= SIZE[0]
        for u, v, s, t in boxes[:index]:
            assert x + w <= u or u + s <= x or y + h <= v or v + t <= y


def test_a_label_stands_above_its_object_where_there_is_room():
    drawn = draw(make_instance(2, (60, 60, 140, 100)))
    x, y, _, height = bars(drawn[:60], track_color(2))
    assert abs(x - 60) <= 4
    assert abs(y + height - 60) <= 4


def test_where_there_is_no_room_the_faintest_goes_without_a_label():
    canvas = np.zeros((16, 16, 3), dtype=np.uint8)
    labels = LabelLayer(canvas)
    assert labels.write("1 cat 0.90", (0, 0), PALETTE[0])
    assert not labels.write("2 cat 0.20", (2, 2), PALETTE[1])
    sure = make_instance(1, (0, 0, 16, 16), 0.9, (16, 16))
    faint = make_instance(2, (2, 2, 9, 9), 0.2, (16, 16))
    assert draw(sure, faint, size=(16, 16)).shape == (16, 16, 3)


@pytest.mark.parametrize("color", [*PALETTE, (0, 0, 0), (255, 255, 255), LEGEND_COLOR])
def test_the_ink_can_be_read_on_every_colour(color):
    def luminance(rgb):
        values = np.array(rgb) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(color), luminance(readable_ink(color))))
    assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.1, level AA


def timed(index, milliseconds, is_keyframe):
    return FrameResult(index, SIZE, (), is_keyframe, milliseconds)


def test_the_legend_tells_the_mean_of_the_last_frames_and_both_kinds():
    legend = SpeedLegend()
    assert legend.update(timed(0, {"frame": 40.0}, True)) == "40.0 ms a frame, 25.0 fps"
    assert legend.update(timed(1, {"frame": 10.0}, False)) == (
        "25.0 ms a frame (keyframe 40.0, other 10.0), 40.0 fps"
    )
    for index in range(WINDOW):
        last = legend.update(timed(index, {"frame": 20.0}, False))
    assert last == "20.0 ms a frame, 50.0 fps"


def test_the_legend_is_silent_where_a_driver_tells_no_time():
    assert SpeedLegend().update(timed(0, {}, True)) == ""


def test_the_legend_stands_in_the_lower_left_corner():
    x, y, _, height = bars(draw(legend="25.0 ms a frame"), LEGEND_COLOR)
    assert x == 0
    assert y + height >= SIZE[0] - 4
