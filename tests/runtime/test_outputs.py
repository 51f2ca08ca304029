"""Outputs that would destroy an input or each other are refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevis.runtime.errors import UserError, printable
from mobilevis.runtime.outputs import check_outputs
from mobilevis.runtime.sinks import MAX_RATE_PART, container_rate


@pytest.fixture
def clip(tmp_path) -> Path:
    (tmp_path / "clip.mp4").write_text("frames")
    (tmp_path / "link.mp4").symlink_to("clip.mp4")
    (tmp_path / "hard.mp4").hardlink_to(tmp_path / "clip.mp4")
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize("name", ["clip.mp4", "link.mp4", "hard.mp4", "./x/../clip.mp4"])
def test_an_output_is_no_input_under_any_name(clip, name):
    (clip.parent / "x").mkdir()
    with pytest.raises(UserError, match="would replace the source"):
        check_outputs({"--output": clip.parent / name}, {"the source": clip})


def test_two_outputs_are_two_files(tmp_path):
    with pytest.raises(UserError, match="--results and --json-lines are the same"):
        check_outputs({"--results": tmp_path / "a", "--json-lines": tmp_path / "." / "a"}, {})


def test_a_folder_holds_neither_an_input_nor_another_output(clip):
    with pytest.raises(UserError, match="folder of the source"):
        check_outputs({"--panoptic": clip.parent}, {"the source": clip}, folders={"--panoptic"})
    given = {"--panoptic": clip.parent / "p", "--results": clip.parent / "p" / "r.json"}
    with pytest.raises(UserError, match="lie in each other"):
        check_outputs(given, {}, folders={"--panoptic"})


def test_a_file_is_no_folder_and_no_part_of_a_folder_of_images(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        check_outputs({"--output": tmp_path}, {})
    with pytest.raises(UserError, match="a part of the source"):
        check_outputs({"--output": tmp_path / "9.png"}, {"the source": tmp_path})


def test_what_a_file_says_stays_one_line_of_text():
    assert printable("a\nmobilevis: all is well\x1b[2J") == "a\\nmobilevis: all is well\\x1b[2J"
    assert len(printable("a" * 10**6)) < 3000


@pytest.mark.parametrize("fps", [1e-9, 1 / 60, 23.976, 29.97003, 143.856, 999.999, 1e9])
def test_every_rate_becomes_one_that_containers_hold(fps):
    rate = container_rate(fps)
    decimals = next(n for n in range(4) if round(rate, n) == rate)
    assert 0 < rate * 10**decimals <= MAX_RATE_PART
    if 0.1 < fps < 1000:
        assert rate == pytest.approx(fps, rel=1e-3)
