"""The bundled clip is what the command beside it draws, and its ground truth fits it."""

from __future__ import annotations

import re
import shlex

import cv2
import numpy as np
import pytest

from mobilevis.cli.options import parse_size
from mobilevis.data.synth.sources import SynthOptions, video_source
from mobilevis.data.ytvis import load_ytvis
from mobilevis.runtime import rle
from mobilevis.runtime.bundled_clip import bundled_clip


@pytest.fixture(scope="module")
def drawn():
    """The video of the command in the README beside the clip."""
    readme = (bundled_clip().parent / "README.md").read_text()
    words = shlex.split(re.search(r"mobilevis data synth OUT (.*)", readme)[1])
    given = dict(zip(words[:-1:2], words[1::2]))
    options = SynthOptions(
        videos=int(given["--videos"]),
        frames=int(given["--frames"]),
        size=parse_size(given["--size"]),
        seed=int(given["--seed"]),
        textures=given["--textures"],
    )
    return video_source(options).video(0)


@pytest.fixture(scope="module")
def frames():
    capture = cv2.VideoCapture(str(bundled_clip()))
    decoded = []
    while True:
        read, frame = capture.read()
        if not read:
            return decoded
        decoded.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def test_the_clip_is_small_and_whole(frames):
    assert len(frames) == 100
    assert frames[0].shape == (360, 640, 3)
    assert bundled_clip().stat().st_size < 1.5e6


@pytest.mark.parametrize("t", [0, 49, 99])
def test_the_clip_is_what_the_command_draws(drawn, frames, t):
    frame, _ = drawn.draw(t)
    error = frame.astype(float) - frames[t]
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 30  # dB: the codec's loss, no more


@pytest.mark.parametrize("t", [0, 49, 99])
def test_the_ground_truth_is_what_the_command_draws(drawn, t):
    dataset = load_ytvis(bundled_clip().with_suffix(".json"))
    assert dataset.videos[0].length == drawn.length
    _, masks = drawn.draw(t)
    for track, mask in zip(dataset.tracks, masks):
        assert (track.segmentations[t] is None) == (mask is None)
        if mask is not None:
            truth = rle.decode(track.segmentations[t])
            assert (truth & mask).sum() > 0.98 * (truth | mask).sum()
