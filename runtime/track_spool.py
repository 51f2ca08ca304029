"""The tracks of one video, gathered while it runs; their masks wait on disk."""

from __future__ import annotations

import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import SEEK_END
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Optional

from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category
from mobilevis.runtime.files import disk_errors
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.special_files import is_stream


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
        folder = None if is_stream(beside) else beside.parent
        with disk_errors(beside):
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open until close()
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
        with suppress(OSError):  # what waits in memory for a full disk: it is not needed any more
            self._file.close()
