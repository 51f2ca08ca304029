"""Where results go: an overlay video, YouTube-VIS results, JSON lines or a callback.

A file appears under its name only when ``close`` has succeeded; ``discard`` leaves nothing behind. JSON lines
alone grow under their own name, so that they can be followed.
"""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Optional

import cv2

from mobilevis.runtime import rle
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.categories import Category
from mobilevis.runtime.colors import TrackColors
from mobilevis.runtime.draw import draw_result
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path, disk_errors
from mobilevis.runtime.growing_files import GrowingFile
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.speed import SpeedLegend
from mobilevis.runtime.track_spool import TrackSpool

# MPEG-4 Part 2 in .mp4 and .mov, VP9 in .webm and Motion JPEG in .avi: what every OpenCV wheel can encode
# without a GPL encoder.
# Below it, OpenCV's Motion JPEG writer corrupts the heap (2 pixels), and VP9 refuses the frame.
LEAST_SIDE = 16
# MPEG-4 Part 2 holds a rate as a fraction whose parts have 16 bits; OpenCV makes it one of powers of ten.
MAX_RATE_PART = 65535
LEAST_RATE = 0.002
VIDEO_CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".webm": "VP90", ".avi": "MJPG"}


class Sink(ABC):
    """Takes every frame with its result, in order."""

    @abstractmethod
    def write(self, frame: Image, result: FrameResult) -> None:
        """Take one frame, (H, W, 3) uint8 RGB."""

    @abstractmethod
    def close(self) -> None:
        """Complete the output and give it its name."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was written so far."""


class FileSink(Sink):
    """A sink with one output file, or one folder, written under a temporary name."""

    def __init__(self, target: Path, directory: bool = False) -> None:
        self.target = target
        self._stack = ExitStack()
        self._temporary = self._stack.enter_context(atomic_path(target, directory=directory))

    def close(self) -> None:
        """Finish the file, then rename it."""
        with self._stack, disk_errors(self.target):
            self._finish()

    def discard(self) -> None:
        """Remove the temporary file."""
        self._abandon()
        # Any exception makes atomic_path remove the file instead of renaming it.
        self._stack.__exit__(GeneratorExit, GeneratorExit(), None)

    @abstractmethod
    def _finish(self) -> None:
        """Write the end of the file and close it."""

    @abstractmethod
    def _abandon(self) -> None:
        """Close what is open."""


class OverlayVideo(FileSink):
    """The video with masks, outlines and labels drawn into it.

    Args:
        target: the file; its suffix chooses the container.
        fps: frames a second of the source.
        classes: by class index.
        legend: write the speed into the lower left corner.
    """

    def __init__(
        self, target: Path, fps: float, classes: tuple[Category, ...], *, legend: bool = False
    ) -> None:
        if target.suffix.lower() not in VIDEO_CODECS:
            raise UserError("unknown kind of video", target, f"name it {', '.join(VIDEO_CODECS)}")
        super().__init__(target)
        self._fps = container_rate(fps)
        self._names = [info.name for info in classes]
        self._colors = TrackColors()
        self._speed = SpeedLegend() if legend else None
        self._writer: Optional[cv2.VideoWriter] = None
        self._frames = 0

    def write(self, frame: Image, result: FrameResult) -> None:
        """Draw the result and encode the frame; odd and tiny sizes grow, as codecs need."""
        bottom, right = (max(n % 2, LEAST_SIDE - n) for n in frame.shape[:2])
        if self._writer is None:
            self._writer = self._open(frame.shape[1] + right, frame.shape[0] + bottom)
        legend = self._speed.update(result) if self._speed is not None else ""
        drawn = draw_result(frame, result, self._names, self._colors, legend)
        drawn = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
        self._writer.write(cv2.copyMakeBorder(drawn, 0, bottom, 0, right, cv2.BORDER_REPLICATE))
        self._frames += 1

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        codec = cv2.VideoWriter.fourcc(*VIDEO_CODECS[self.target.suffix.lower()])
        # FFmpeg alone: OpenCV's other writers take a % in a name for a series of images.
        writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, codec, self._fps, (width, height))
        if not writer.isOpened():
            if shutil.disk_usage(self._temporary.parent).free < width * height:
                raise UserError("the disk is full", self.target, "free some space, or choose another output")
            raise UserError("cannot encode this video", self.target, f"name it {', '.join(VIDEO_CODECS)}")
        return writer

    def _finish(self) -> None:
        if self._writer is None:
            raise UserError("no frame to write", self.target, "check the source")
        self._writer.release()
        # OpenCV reports no error of a write: the frames that can be read back say whether the disk was full.
        written = _count_frames(str(self._temporary), self._frames)
        if written < self._frames - 1:
            raise UserError(
                f"only {written} of {self._frames} frames reached the disk, it may be full",
                self.target,
                "free some space, or choose another output",
            )

    def _abandon(self) -> None:
        if self._writer is not None:
            self._writer.release()


def container_rate(fps: float) -> float:
    """The frame rate nearest to ``fps`` that every container holds: 143.856 becomes 143.86."""
    fps = min(max(fps, LEAST_RATE), MAX_RATE_PART)
    decimals = next(n for n in (3, 2, 1, 0) if round(fps * 10**n) <= MAX_RATE_PART)
    return round(fps, decimals)


def _count_frames(path: str, expected: int) -> int:
    """Frames that can be read back, counted one by one where the container's own count says fewer."""
    check = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    if not check.isOpened():
        return 0
    count = int(check.get(cv2.CAP_PROP_FRAME_COUNT))
    if count < expected:
        count = 0
        while count < expected and check.grab():
            count += 1
    check.release()
    return count


class JsonLines(Sink):
    """One JSON object a frame, with RLE masks; each line is there when the next frame begins."""

    def __init__(self, target: Path, classes: tuple[Category, ...]) -> None:
        self.target = target
        self._classes = classes
        self._file = GrowingFile(target)

    def write(self, frame: Image, result: FrameResult) -> None:
        """Append the frame's instances."""
        record = {
            "frame": result.frame_index,
            "is_keyframe": result.is_keyframe,
            "milliseconds": {stage: round(ms, 4) for stage, ms in result.milliseconds.items()},
            "instances": [
                {
                    "track_id": item.track_id,
                    "category_id": self._classes[item.class_index].id,
                    "category": self._classes[item.class_index].name,
                    "score": item.score,
                    "box": list(item.box),
                    "segmentation": rle.encode_in_box(item.box_mask, item.box, item.frame_size),
                }
                for item in result.instances
            ],
        }
        self._file.append(json.dumps(record) + "\n")

    def close(self) -> None:
        """Complete the file."""
        self._file.close()

    def discard(self) -> None:
        """Remove the lines; a file that they replaced comes back."""
        self._file.discard()


class YoutubeVisResults(FileSink):
    """The official YouTube-VIS results: one record a track, with a segmentation or null for every frame.

    A track's score is the mean of its scores in the frames in which it was seen, its category the one with
    the largest sum of scores. Masks wait on disk until the tracks are complete, so that memory does not grow
    with them; what grows is 16 bytes for each instance.
    """

    def __init__(self, target: Path, classes: tuple[Category, ...], video_id: int = 1) -> None:
        super().__init__(target)
        self._tracks = TrackSpool(classes, target)
        self._video_id = video_id

    def write(self, frame: Image, result: FrameResult) -> None:
        """Keep the frame's masks."""
        with disk_errors(self.target):
            self._tracks.add(result)

    def _finish(self) -> None:
        with self._temporary.open("w", encoding="utf-8") as stream:
            separator = "["
            for record in self._tracks.records(self._video_id):
                stream.write(separator + json.dumps(record))
                separator = ",\n"
            stream.write("[]\n" if separator == "[" else "]\n")
        self._tracks.close()

    def _abandon(self) -> None:
        self._tracks.close()


def open_sinks(makers: Iterable[Callable[[], Sink]]) -> list[Sink]:
    """Make every sink, or none: those that are open are discarded when another cannot be made.

    Raises:
        UserError: an output cannot be written.
    """
    sinks: list[Sink] = []
    try:
        for make in makers:
            sinks.append(make())
    except BaseException:
        for sink in sinks:
            sink.discard()
        raise
    return sinks


class Callback(Sink):
    """Calls a function with every frame and its result."""

    def __init__(self, function: Callable[[Image, FrameResult], None]) -> None:
        self._function = function

    def write(self, frame: Image, result: FrameResult) -> None:
        """Call the function."""
        self._function(frame, result)

    def close(self) -> None:
        """Nothing to complete."""

    def discard(self) -> None:
        """Nothing to remove."""
