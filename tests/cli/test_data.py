"""``mobilevis data``: what it writes, and one clear line for bad input."""

from __future__ import annotations

import cv2

from mobilevis.data.ytvis import load_ytvis


def test_a_set_is_drawn_and_shown(mobilevis, tmp_path):
    drawn = mobilevis("data", "synth", "set", "--videos", 2, "--frames", 3, "--size", "64x128", "--seed", 5)
    assert drawn.returncode == 0, drawn.stderr
    dataset = load_ytvis(tmp_path / "set" / "instances.json", tmp_path / "set" / "JPEGImages")
    assert [video.length for video in dataset.videos] == [3, 3]
    assert f"2 videos, {len(dataset.tracks)} tracks" in drawn.stdout
    shown = mobilevis("data", "show", "set", "--output", "sheet.png", "--columns", 3, "--tile-width", 64)
    assert shown.returncode == 0, shown.stderr
    # Two rows of 64x128 frames in tiles 64 wide, with the gaps of 4.
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (2 * 36, 3 * 68, 3)


def test_a_size_that_is_none_is_refused(refused, tmp_path):
    assert "--size '320' is no size" in refused("data", "synth", "set", "--size", "320")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_left_alone(refused, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("keep")
    assert "exists already" in refused("data", "synth", "set")
    assert (tmp_path / "set" / "mine.txt").read_text() == "keep"


def test_a_file_that_is_no_set_is_refused_without_a_picture(refused, tmp_path):
    (tmp_path / "set.json").write_text("{")
    assert "not a JSON file" in refused("data", "show", "set.json")
    assert not (tmp_path / "contact_sheet.png").exists()
