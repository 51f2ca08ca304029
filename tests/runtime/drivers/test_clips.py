"""The clip buffer: every frame is answered once, in order, and padding never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.drivers.clips import ClipBuffer, frame_milliseconds


def clips_of(frames, length, stride=None):
    buffer = ClipBuffer(length, stride)
    clips = [buffer.push(frame) for frame in range(frames)] + [buffer.flush()]
    return [clip for clip in clips if clip is not None]


@given(st.integers(0, 40), st.integers(1, 9), st.data())
def test_every_frame_is_answered_once_and_in_order(frames, length, data):
    stride = data.draw(st.integers(1, length))
    answered = [clip.items[place] for clip in clips_of(frames, length, stride) for place in clip.new]
    assert answered == list(range(frames))


@given(st.integers(0, 40), st.integers(1, 9), st.data())
def test_a_clip_is_a_run_of_frames_that_may_end_in_repeats_of_the_last(frames, length, data):
    stride = data.draw(st.integers(1, length))
    for clip in clips_of(frames, length, stride):
        assert clip.items == tuple(min(clip.first + step, frames - 1) for step in range(length))


@given(st.integers(1, 40), st.integers(1, 9), st.data())
def test_no_frame_waits_longer_than_the_delay(frames, length, data):
    buffer = ClipBuffer(length, data.draw(st.integers(1, length)))
    for now in range(frames):
        clip = buffer.push(now)
        assert clip is None or all(now - clip.items[place] <= buffer.delay for place in clip.new)


def test_a_single_frame_is_a_clip_of_repeats():
    (clip,) = clips_of(1, length=4)
    assert clip.items == (0, 0, 0, 0)
    assert clip.new == range(1)


def test_a_clip_that_ends_with_the_video_needs_no_padding():
    assert [clip.items for clip in clips_of(4, length=2)] == [(0, 1), (2, 3)]


def test_after_a_flush_the_next_frame_is_frame_0():
    buffer = ClipBuffer(2)
    buffer.push("a")
    buffer.flush()
    buffer.push("b")
    assert buffer.push("c").first == 0


@pytest.mark.parametrize("stride", [0, 4])
def test_clips_that_leave_out_frames_are_refused(stride):
    with pytest.raises(ValueError, match=f"clips of 3 frames cannot begin every {stride} frames"):
        ClipBuffer(3, stride)


def test_a_frame_bears_its_share_of_the_clip():
    own, clip = {"encode": 5.0, "frame": 6.0}, {"decode": 8.0, "frame": 8.0}
    assert frame_milliseconds(own, clip, frames=4) == {"encode": 5.0, "frame": 8.0, "decode": 2.0}
