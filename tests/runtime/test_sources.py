"""What a source's name means, in which order frames come, and when a video was cut off."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.runtime import sources
from mobilevis.runtime.containers import is_cut_off
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sources import StreamInterruptedError, natural_key, open_source

from .conftest import ColorArtefact

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".webm": "VP80", ".mkv": "mp4v", ".mov": "mp4v", ".ts": "mp4v"}


def write_video(path: Path, frames: int = 12) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODECS[path.suffix]), 10, (64, 48))
    for index in range(frames):
        writer.write(np.random.default_rng(index).integers(0, 255, (48, 64, 3), dtype=np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize("pattern", ["{}.png", "frame_{}.png", "f{:02d}.png", "a{}b2.png"])
def test_frames_are_read_in_the_order_of_their_numbers(tmp_path, pattern):
    for index in range(95, 107):
        cv2.imwrite(str(tmp_path / pattern.format(index)), np.full((8, 8, 3), index, np.uint8))
    assert [int(frame[0, 0, 0]) for frame in open_source(tmp_path)] == list(range(95, 107))


def test_numbers_of_any_length_and_padding_compare_as_numbers():
    names = ["1", "01", "2", "10", "a1", "a9" * 9, "a" + "9" * 5000, "b²", "b٣"]
    assert sorted(names, key=natural_key)[:4] == ["01", "1", "2", "10"]


def test_what_macos_leaves_beside_images_is_no_image(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "._1.png").write_bytes(b"\0\5\x16\7")
    assert len(list(open_source(tmp_path))) == 1


@pytest.mark.parametrize(
    "name",
    ["14:05:33.mp4", "a%03d.mp4", "100%.mp4", "кот é.mp4", "-o.mp4", "concat:x.mp4", "7", "²"],
)
def test_a_file_that_exists_is_read_whatever_its_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "clip.mp4").rename(tmp_path / name)
    assert len(list(open_source(name))) == 12


@pytest.mark.parametrize(
    "name", ["²", "①", "٣", "9" * 20, "9" * 5000, "-1", "", "a" * 300, "nul\0l", "concat:x.mp4"]
)
def test_a_name_of_nothing_is_refused_in_one_line(name):
    with pytest.raises(UserError) as refusal:
        open_source(name)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_a_pipe_is_read(tmp_path):
    video, pipe = write_video(tmp_path / "clip.webm"), tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"cat '{video}' > '{pipe}'"]):
        assert len(list(open_source(pipe))) == 12


def test_a_dash_is_standard_input(tmp_path):
    video = write_video(tmp_path / "clip.webm")
    script = "from mobilevis.runtime.sources import open_source; print(len(list(open_source('-'))))"
    with video.open("rb") as stream:
        shown = subprocess.run(
            ["sh", "-c", 'cat | "$0" -c "$1"', sys.executable, script],
            stdin=stream,
            capture_output=True,
            text=True,
        )
    assert shown.stdout.strip() == "12", shown.stderr


def test_a_device_that_is_no_camera_is_refused():
    with pytest.raises(UserError, match="neither a file nor a camera"):
        open_source("/dev/zero")


@pytest.mark.parametrize("suffix", CODECS)
def test_a_whole_video_is_whole_and_a_cut_one_keeps_its_frames(tmp_path, suffix):
    path = write_video(tmp_path / f"clip{suffix}", frames=30)
    assert not is_cut_off(path)
    assert len(list(open_source(path))) == 30
    if suffix in (".mp4", ".mov"):  # OpenCV writes the index at the end: without it there is no frame
        return
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10 // 188 * 188 + 3])
    frames = iter(open_source(path))
    assert next(frames).shape == (48, 64, 3)
    with pytest.raises(StreamInterruptedError, match="cut off"):
        list(frames)


def test_an_mp4_is_cut_where_a_box_passes_the_end(tmp_path):
    def box(kind: bytes, length: int, content: bytes = b"") -> bytes:
        return struct.pack(">I4s", length, kind) + content

    path = tmp_path / "a.mp4"
    for boxes, cut in {
        box(b"ftyp", 8) + box(b"moov", 8) + box(b"mdat", 12, b"0123"): False,
        box(b"ftyp", 8) + box(b"moov", 8) + box(b"mdat", 12, b"01"): True,
        box(b"ftyp", 8) + box(b"mdat", 1, struct.pack(">Q", 17) + b"0"): False,
        box(b"ftyp", 8) + box(b"mdat", 1, struct.pack(">Q", 1 << 40) + b"0"): True,
        box(b"ftyp", 8) + box(b"mdat", 0, b"to the end"): False,
        box(b"ftyp", 8) + box(b"mdat", 8) + b"\0" * 100: False,
        box(b"ftyp", 8) + box(b"mdat", 8) + b"junk that some recorder left": False,
    }.items():
        path.write_bytes(boxes)
        assert is_cut_off(path) is cut, boxes


@pytest.mark.parametrize(
    "rest", [b"\0" * 40, b"", b"\xff" + b"\x1a\x45\xdf\xa3\xff" * 8], ids=["zeros", "nothing", "heads"]
)
def test_a_damaged_header_says_nothing_about_the_end(tmp_path, rest):
    (tmp_path / "a.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + rest)
    assert is_cut_off(tmp_path / "a.mkv") is False


def test_an_address_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(sources, "OPEN_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        start = time.monotonic()
        with pytest.raises(UserError, match="the address does not answer"):
            open_source(f"http://127.0.0.1:{server.getsockname()[1]}/live")
        assert time.monotonic() - start < 5


def test_an_address_where_nobody_listens_is_named():
    with pytest.raises(UserError, match="check the address, the network"):
        open_source("rtsp://127.0.0.1:9/live")


def photos(folder: Path) -> Path:
    for index, size in enumerate([(90, 150), (60, 100), (120, 80)]):
        picture = np.zeros((*size, 3), np.uint8)
        picture[20:50, 20:60, 2] = 255
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return folder


def test_photos_of_several_sizes_are_no_video(tmp_path):
    with pytest.raises(StreamInterruptedError, match="--stills"):
        list(open_source(photos(tmp_path)))


def test_stills_are_answered_one_by_one(tmp_path):
    segmenter = VideoSegmenter(ColorArtefact())
    answers = list(segmenter.stream(open_source(photos(tmp_path), stills=True)))
    assert [result.frame_index for _, result in answers] == [0, 1, 2]
    assert [result.frame_size for _, result in answers] == [(90, 150), (60, 100), (120, 80)]
    assert all(result.is_keyframe for _, result in answers)
