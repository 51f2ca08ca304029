"""Where results go: an overlay video, YouTube-VIS results, JSON lines or a callback.

A file appears under its name only when ``close`` has succeeded; ``discard`` leaves nothing behind.
"""

from __future__ import annotations

import json
import tempfile
from abc import ABC, abstractmethod
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from io import SEEK_END
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Callable, Optional

import cv2

from mobilevis.runtime import rle
from mobilevis.runtime.arrays import Image
from mobilevis.runtime.categories import Category
from mobilevis.runtime.draw import draw_result
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path, disk_errors
from mobilevis.runtime.results import FrameResult

# MPEG-4 Part 2 in .mp4 and .mov, VP9 in .webm and Motion JPEG in .avi: what every OpenCV wheel can encode
# without a GPL encoder.
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
    """The video with masks, outlines and labels drawn into it."""

    def __init__(self, target: Path, fps: float, classes: tuple[Category, ...]) -> None:
        if target.suffix.lower() not in VIDEO_CODECS:
            raise UserError("unknown kind of video", target, f"name it {', '.join(VIDEO_CODECS)}")
        super().__init__(target)
        self._fps = fps
        self._names = [info.name for info in classes]
        self._writer: Optional[cv2.VideoWriter] = None
        self._frames = 0

    def write(self, frame: Image, result: FrameResult) -> None:
        """Draw the result and encode the frame; odd sizes get one more row or column, as codecs need."""
        height, width = frame.shape[:2]
        if self._writer is None:
            self._writer = self._open(width + width % 2, height + height % 2)
        drawn = cv2.cvtColor(draw_result(frame, result, self._names), cv2.COLOR_RGB2BGR)
        even = cv2.copyMakeBorder(drawn, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        self._writer.write(even)
        self._frames += 1

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        codec = cv2.VideoWriter.fourcc(*VIDEO_CODECS[self.target.suffix.lower()])
        writer = cv2.VideoWriter(str(self._temporary), codec, self._fps, (width, height))
        if not writer.isOpened():
            raise UserError("cannot encode this video", self.target, f"name it {', '.join(VIDEO_CODECS)}")
        return writer

    def _finish(self) -> None:
        if self._writer is None:
            raise UserError("no frame to write", self.target, "check the source")
        self._writer.release()
        # OpenCV reports no error of a write: the frames that can be read back say whether the disk was full.
        check = cv2.VideoCapture(str(self._temporary))
        written = int(check.get(cv2.CAP_PROP_FRAME_COUNT)) if check.isOpened() else 0
        check.release()
        if written < self._frames - 1:
            raise UserError(
                f"only {written} of {self._frames} frames reached the disk, it may be full",
                self.target,
                "free some space, or choose another output",
            )

    def _abandon(self) -> None:
        if self._writer is not None:
            self._writer.release()


class JsonLines(FileSink):
    """One JSON object a frame, with RLE masks; each line is complete when the next frame begins."""

    def __init__(self, target: Path, classes: tuple[Category, ...]) -> None:
        super().__init__(target)
        self._classes = classes
        self._stream: IO[str] = self._temporary.open("w", encoding="utf-8")

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
        with disk_errors(self.target):
            self._stream.write(json.dumps(record) + "\n")

    def _finish(self) -> None:
        self._stream.close()

    def _abandon(self) -> None:
        self._stream.close()


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


@dataclass(frozen=True)
class TrackSummary:
    """A track over its whole video.

    Attributes:
        category_id: the category with the largest sum of scores.
        score: the mean over the frames in which it was seen.
    """

    category_id: int
    score: float


class TrackSpool:
    """Gathers the instances of one video by track; the RLE strings lie in a temporary file."""

    def __init__(self, classes: tuple[Category, ...], beside: Path) -> None:
        self._classes = classes
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=beside.parent)  # noqa: SIM115 - open until close()
        self._frames = 0
        self._size: tuple[int, int] = (0, 0)
        self._places: dict[int, array[int]] = defaultdict(lambda: array("q"))  # frame, offset pairs
        self._scores: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        return self._size

    def add(self, result: FrameResult) -> None:
        """Take the next frame."""
        self._size = result.frame_size
        for item in result.instances:
            self._places[item.track_id].extend((self._frames, self._file.tell()))
            self._scores[item.track_id][item.class_index] += item.score
            counts = rle.encode_in_box(item.box_mask, item.box, item.frame_size)["counts"]
            self._file.write(counts.encode("ascii") + b"\n")
        self._frames += 1

    def summaries(self) -> dict[int, TrackSummary]:
        """Track id → its category and score over the whole video, by identity."""
        return {
            track_id: TrackSummary(
                self._classes[max(scores, key=lambda index: scores[index])].id,
                sum(scores.values()) / (len(self._places[track_id]) // 2),
            )
            for track_id, scores in sorted(self._scores.items())
        }

    def records(self, video_id: int) -> Any:
        """Yield one results record a track, by identity."""
        for track_id, summary in self.summaries().items():
            places = self._places[track_id]
            segmentations: list[Optional[rle.Rle]] = [None] * self._frames
            for frame, offset in zip(places[::2], places[1::2]):
                segmentations[frame] = self._read(offset)
            yield {"video_id": video_id, **asdict(summary), "segmentations": segmentations}

    def frames(self) -> Iterator[dict[int, rle.Rle]]:
        """Yield for each frame the masks in it, by identity."""
        places = [(*pair, i) for i, p in self._places.items() for pair in zip(p[::2], p[1::2])]
        by_frame = groupby(sorted(places), key=lambda place: place[0])
        present = {frame: list(group) for frame, group in by_frame}
        for frame in range(self._frames):
            yield {track_id: self._read(offset) for _, offset, track_id in present.get(frame, ())}

    def _read(self, offset: int) -> rle.Rle:
        self._file.seek(offset)
        counts = self._file.readline().rstrip(b"\n").decode("ascii")
        self._file.seek(0, SEEK_END)  # where add() goes on
        return {"size": list(self._size), "counts": counts}

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()


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
