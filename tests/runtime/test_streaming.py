"""Sources and sinks: what goes in, what comes out, and that nothing is lost or half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.runtime import rle
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sinks import Callback, JsonLines, OverlayVideo, YoutubeVisResults
from mobilevis.runtime.sources import Source, StreamInterruptedError, open_source
from mobilevis.runtime.streaming import run_stream


class Frames(Source):
    """Frames from memory; ends with an interruption if told to."""

    def __init__(self, frames, interrupted=False):
        self.name, self.fps, self.frame_count = "memory", 25.0, None
        self._frames, self._interrupted = frames, interrupted

    def __iter__(self):
        yield from self._frames
        if self._interrupted:
            raise StreamInterruptedError("the cable was pulled", self.name, "plug it in")


def write_video(path, frames, codec="MJPG"):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25.0, (width, height))
    for frame in frames:
        writer.write(frame[..., ::-1].copy())
    writer.release()


@pytest.fixture
def video(tmp_path, moving_squares):
    path = tmp_path / "squares.avi"
    write_video(path, moving_squares)
    return path


def test_stills_are_pictures_of_their_own_sizes(artefact, moving_squares):
    source = Frames([moving_squares[0], moving_squares[1][:40]])
    source.stills = True
    results = []
    run_stream(VideoSegmenter(artefact), source, [Callback(lambda _, result: results.append(result))])
    assert [result.frame_size[0] for result in results] == [len(moving_squares[0]), 40]
    assert all(result.is_keyframe for result in results)


def test_results_have_one_segmentation_or_null_for_every_frame(artefact, moving_squares, tmp_path):
    frames = moving_squares.copy()
    frames[3:6, ..., 1] = 0  # the green square leaves for one keyframe
    target = tmp_path / "results.json"
    sink = YoutubeVisResults(target, artefact.metadata.classes, video_id=7)
    segmenter = VideoSegmenter(artefact, keyframe_interval=3)
    results = []
    run_stream(segmenter, Frames(frames), [sink, Callback(lambda _, result: results.append(result))])
    records = json.loads(target.read_text())
    green = next(record for record in records if record["category_id"] == 5)
    assert green["video_id"] == 7
    assert [s is not None for s in green["segmentations"]] == [True] * 3 + [False] * 3 + [True] * 4
    for record in records:
        assert len(record["segmentations"]) == 10
        shown = [i for r in results for i in r.instances if i.track_id == record_id(record, results)]
        assert record["score"] == pytest.approx(np.mean([i.score for i in shown]))
    first = next(i for i in results[0].instances if i.class_index == 1)
    assert np.array_equal(rle.decode(green["segmentations"][0]), first.full_mask())


def record_id(record, results):
    classes = {3: 0, 5: 1, 9: 2}
    return next(
        i.track_id for r in results for i in r.instances if i.class_index == classes[record["category_id"]]
    )


def test_a_video_without_objects_gives_an_empty_results_list(artefact, tmp_path):
    target = tmp_path / "results.json"
    black = np.zeros((3, 90, 150, 3), dtype=np.uint8)
    run_stream(
        VideoSegmenter(artefact), Frames(black), [YoutubeVisResults(target, artefact.metadata.classes)]
    )
    assert json.loads(target.read_text()) == []


def test_json_lines_hold_every_frame(artefact, moving_squares, tmp_path):
    target = tmp_path / "out.jsonl"
    run_stream(
        VideoSegmenter(artefact), Frames(moving_squares), [JsonLines(target, artefact.metadata.classes)]
    )
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(10))
    assert {item["category"] for item in lines[0]["instances"]} == {"red", "green"}


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
@pytest.mark.parametrize("size", [(90, 150), (91, 151)])
def test_the_overlay_has_every_frame_even_at_odd_sizes(artefact, tmp_path, suffix, size):
    frames = np.full((5, *size, 3), 90, dtype=np.uint8)
    frames[:, 20:60, 30:80, 0] = 255
    target = tmp_path / f"overlay{suffix}"
    run_stream(
        VideoSegmenter(artefact),
        Frames(frames),
        [OverlayVideo(target, 25.0, artefact.metadata.classes)],
    )
    read = list(open_source(target))
    assert len(read) == 5
    assert read[0].shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)


def test_videos_images_and_folders_give_the_same_frames(tmp_path, moving_squares):
    write_video(tmp_path / "lossless.avi", moving_squares, "FFV1")
    folder = tmp_path / "images"
    folder.mkdir()
    for index, frame in enumerate(moving_squares):
        cv2.imwrite(str(folder / f"{index:03d}.png"), frame[..., ::-1])
    assert np.array_equal(list(open_source(folder)), moving_squares)
    assert np.array_equal(list(open_source(folder / "004.png")), moving_squares[4:5])
    from_video = np.stack(list(open_source(tmp_path / "lossless.avi")))
    assert np.abs(from_video.astype(int) - moving_squares).max() <= 2


@pytest.mark.parametrize("shape", [(37, 53), (37, 53, 3), (37, 53, 4), (2160, 3840, 3)])
def test_grey_alpha_odd_and_4k_images_become_rgb(tmp_path, artefact, shape):
    cv2.imwrite(str(tmp_path / "image.png"), np.full(shape, 128, dtype=np.uint8))
    (frame,) = open_source(tmp_path / "image.png")
    assert frame.shape == (*shape[:2], 3)
    assert np.abs(frame.astype(int) - 128).max() <= 1
    assert VideoSegmenter(artefact).process(frame).frame_size == shape[:2]


def test_a_cut_off_video_keeps_the_frames_before_the_cut(artefact, video, tmp_path):
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 6 // 10])
    target = tmp_path / "results.jsonl"
    summary = run_stream(
        VideoSegmenter(artefact), open_source(video), [JsonLines(target, artefact.metadata.classes)]
    )
    assert 2 <= summary.frames < 10
    assert "breaks off after" in str(summary.interrupted)
    assert str(video) in str(summary.interrupted)
    assert len(target.read_text().splitlines()) == summary.frames


@pytest.mark.parametrize("content", [b"", b"this is no video at all"])
def test_what_is_no_video_is_named(tmp_path, content):
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.mp4"):
        open_source(path)


def test_a_missing_source_and_a_folder_without_images_are_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        open_source(tmp_path / "absent.mp4")
    with pytest.raises(UserError, match="no images"):
        open_source(tmp_path)


def test_a_broken_image_in_a_folder_interrupts_and_names_it(tmp_path, artefact, moving_squares):
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), moving_squares[index])
    (tmp_path / "2.png").write_bytes(b"\x89PNG but no more")
    summary = run_stream(VideoSegmenter(artefact), open_source(tmp_path), [])
    assert summary.frames == 2
    assert "2.png" in str(summary.interrupted)


def test_a_fault_in_the_middle_leaves_no_output(artefact, moving_squares, tmp_path):
    def fail_at_five(_, result):
        if result.frame_index == 5:
            raise UserError("the network's output is not finite")

    out = tmp_path / "out"
    sinks = [
        OverlayVideo(out / "a.mp4", 25.0, artefact.metadata.classes),
        YoutubeVisResults(out / "b.json", artefact.metadata.classes),
        JsonLines(out / "c.jsonl", artefact.metadata.classes),
        Callback(fail_at_five),
    ]
    with pytest.raises(UserError, match="not finite"):
        run_stream(VideoSegmenter(artefact), Frames(moving_squares), sinks)
    assert list(out.iterdir()) == []


def test_an_interrupted_stream_completes_its_outputs(artefact, moving_squares, tmp_path):
    target = tmp_path / "results.json"
    summary = run_stream(
        VideoSegmenter(artefact),
        Frames(moving_squares[:4], interrupted=True),
        [YoutubeVisResults(target, artefact.metadata.classes)],
    )
    assert "cable" in str(summary.interrupted)
    assert {len(record["segmentations"]) for record in json.loads(target.read_text())} == {4}


FULL_DISK = """
import sys, numpy as np
from pathlib import Path
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import Category
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.sinks import JsonLines, OverlayVideo, YoutubeVisResults
make = {"v.mp4": lambda p, c: OverlayVideo(p, 25.0, c), "r.json": YoutubeVisResults, "l.jsonl": JsonLines}
rng = np.random.default_rng(0)
for name, kind in make.items():
    target = Path(sys.argv[1]) / name
    try:
        sink = kind(target, (Category(1, "noise"),))
        for t in range(60):
            mask = rng.random((240, 320)) > 0.5
            mask[0, 0] = mask[-1, -1] = True
            item = Instance(1, 0, 0.5, (0, 0, 320, 240), mask, (240, 320))
            frame = rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)
            sink.write(frame, FrameResult(t, (240, 320), (item,), True))
        sink.close()
        print(name, "SUCCEEDED")
    except UserError as error:
        print(name, error)
        sink.discard()
print("left:", sorted(p.name for p in Path(sys.argv[1]).iterdir()))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="a full disk is a small tmpfs, which only root may mount",
)
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=256k none {disk} && exec {sys.executable} -c "$0" {disk}'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, FULL_DISK], capture_output=True, text=True, check=False
    )
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stderr
    for line in lines[:3]:
        assert "disk" in line
        assert "full" in line
    assert lines[3] == "left: []"


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_length_of_the_video(artefact, moving_squares, tmp_path):
    """2,700 more frames may hold what 7 of them weigh, and the results' 16 bytes an instance."""
    frames = moving_squares.repeat(2, axis=1).repeat(2, axis=2)
    sinks = [
        YoutubeVisResults(tmp_path / "r.json", artefact.metadata.classes),
        JsonLines(tmp_path / "l.jsonl", artefact.metadata.classes),
    ]
    held = {}

    def watch(_, result):
        if result.frame_index in (300, 2999):
            held[result.frame_index] = resident_bytes()

    endless = Frames(frames[index % 10] for index in range(3000))
    run_stream(VideoSegmenter(artefact, association="online"), endless, [*sinks, Callback(watch)])
    assert held[2999] - held[300] < 7 * frames[0].nbytes + 2**20
