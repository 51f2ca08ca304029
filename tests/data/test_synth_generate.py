"""A set on disk: the same for the same seed, consistent in itself, and whole or absent."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.data.synth import generate
from mobilevis.data.synth.sources import SynthOptions
from mobilevis.data.ytvis import load_ytvis
from mobilevis.runtime import rle
from mobilevis.runtime.errors import UserError

OPTIONS = SynthOptions(videos=2, frames=5, size=(64, 128), seed=11)


def other(**changes: object) -> SynthOptions:
    return SynthOptions(**{**vars(OPTIONS), **changes})


def contents(folder: Path) -> dict[str, bytes]:
    """Relative file name → bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("synth") / "set"
    generate(path, OPTIONS)
    return path


def test_the_layout_is_that_of_youtube_vis(folder):
    frames = {f"JPEGImages/{video:05d}/{t:05d}.jpg" for video in range(2) for t in range(5)}
    assert set(contents(folder)) == frames | {"instances.json"}


def test_what_is_returned_is_what_is_on_disk(folder, tmp_path):
    dataset = generate(tmp_path / "again", OPTIONS)
    assert load_ytvis(folder / "instances.json", folder / "JPEGImages") == dataset


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    generate(tmp_path / "again", OPTIONS)
    assert contents(tmp_path / "again") == contents(folder)


def test_the_number_of_workers_changes_nothing(folder, tmp_path):
    generate(tmp_path / "parallel", OPTIONS, workers=2)
    assert contents(tmp_path / "parallel") == contents(folder)


def test_a_video_does_not_depend_on_how_many_follow(folder, tmp_path):
    alone = generate(tmp_path / "one", other(videos=1))
    both = contents(folder)
    assert {name: both[name] for name in contents(tmp_path / "one") if name.endswith(".jpg")} == {
        name: data for name, data in contents(tmp_path / "one").items() if name.endswith(".jpg")
    }
    assert load_ytvis(folder / "instances.json").tracks_by_video[1] == alone.tracks


@pytest.mark.parametrize("change", [{"seed": 12}, {"textures": "b"}])
def test_another_seed_or_family_gives_other_frames(folder, tmp_path, change):
    generate(tmp_path / "set", other(**change))
    first = "JPEGImages/00000/00000.jpg"
    assert contents(tmp_path / "set")[first] != contents(folder)[first]


def test_areas_and_masks_agree(folder):
    dataset = load_ytvis(folder / "instances.json")
    assert dataset.tracks
    for track in dataset.tracks:
        video = dataset.video_by_id[track.video_id]
        for area, mask in zip(track.areas, track.segmentations):
            assert (area is None) == (mask is None)
            if mask is not None:
                assert rle.decode(mask).shape == (video.height, video.width)
                assert rle.decode(mask).sum() == area > 0


def test_every_track_is_seen_and_no_pixel_has_two(folder):
    dataset = load_ytvis(folder / "instances.json")
    for video in dataset.videos:
        tracks = dataset.tracks_by_video[video.id]
        assert all(any(track.segmentations) for track in tracks)
        for t in range(video.length):
            masks = [rle.decode(track.segmentations[t]) for track in tracks if track.segmentations[t]]
            assert not masks or np.sum(masks, axis=0).max() == 1


def test_videos_are_also_written_as_files(tmp_path):
    generate(tmp_path / "set", other(videos=1, mp4=True))
    capture = cv2.VideoCapture(str(tmp_path / "set" / "videos" / "00000.mp4"))
    for t in range(5):
        read, frame = capture.read()
        assert read
        still = cv2.imread(str(tmp_path / "set" / "JPEGImages" / "00000" / f"{t:05d}.jpg"))
        assert np.abs(frame.astype(int) - still).mean() < 8
    assert not capture.read()[0]


def test_progress_is_told_after_each_video(tmp_path):
    calls = []
    generate(tmp_path / "set", other(frames=1), on_video=lambda: calls.append(1))
    assert len(calls) == 2


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="the output exists already"):
        generate(tmp_path, OPTIONS)
    assert contents(tmp_path) == {"mine.txt": b"keep"}


def test_a_run_that_fails_leaves_nothing(tmp_path, monkeypatch):
    module = import_module("mobilevis.data.synth.generate")  # the package's name for it is the function's
    draw_video = module.draw_video

    def fail_at_the_second(options: SynthOptions, index: int, folder: Path) -> list[module.Seen]:
        if index == 1:
            raise KeyboardInterrupt
        return draw_video(options, index, folder)

    monkeypatch.setattr(module, "draw_video", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "set", OPTIONS)
    assert list(tmp_path.iterdir()) == []
