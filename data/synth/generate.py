"""Write a synthetic set as YouTube-VIS lays it out: ``JPEGImages/<video>/00000.jpg``, ``instances.json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Callable, NamedTuple, Optional, Union

import cv2
import numpy as np

from mobilevis.data.datasets import Track, Video, VideoDataset
from mobilevis.data.synth.render import Frame, Mask
from mobilevis.data.synth.sources import SynthOptions, video_source
from mobilevis.data.ytvis import save_ytvis
from mobilevis.runtime import rle
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path
from mobilevis.runtime.rle import Rle

JPEG_QUALITY = 92
MP4_FPS = 20.0


class Seen(NamedTuple):
    """One object of a drawn video: its category and its visible part in every frame."""

    category_id: int
    segmentations: tuple[Optional[Rle], ...]


def generate(
    output: Union[str, Path],
    options: SynthOptions,
    workers: int = 1,
    on_video: Callable[[], None] = lambda: None,
) -> VideoDataset:
    """Draw the videos and write the set, whole or not at all.

    Args:
        output: a folder that does not exist yet, or is empty.
        options: what to draw.
        workers: processes; the result does not depend on their number.
        on_video: called after each video.

    Raises:
        UserError: the folder is not empty, or a source of the videos is malformed.
    """
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError("the output exists already", output, "choose a new folder")
    categories = video_source(options).categories
    with atomic_path(output, directory=True) as folder:
        drawn = []
        for objects in _draw_all(options, folder, workers):
            drawn.append(objects)
            on_video()
        dataset = VideoDataset(categories, _videos(options), _tracks(drawn))
        save_ytvis(dataset, folder / "instances.json")
    return dataset


def _draw_all(options: SynthOptions, folder: Path, workers: int) -> Iterator[list[Seen]]:
    """The objects of each video, in order, once its frames are written."""
    indices = range(options.videos)
    with ExitStack() as stack:
        run: Callable[..., Iterable[list[Seen]]] = map
        if workers > 1:
            # A fork would inherit the locks of OpenCV's threads but not the threads, and hang. One thread
            # each, since the threads of every process would fight for the same cores.
            pool = ProcessPoolExecutor(
                workers, get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
            )
            run = stack.enter_context(pool).map
        yield from run(draw_video, repeat(options), indices, repeat(folder))


def draw_video(options: SynthOptions, index: int, folder: Path) -> list[Seen]:
    """Draw one video and write its frames.

    Args:
        options: what to draw.
        index: which video, from 0.
        folder: of the set.

    Returns:
        The objects that are seen in at least one frame.
    """
    video = video_source(options).video(index)
    names = frame_names(index, options.frames)
    segmentations: list[list[Optional[Rle]]] = [[] for _ in video.category_ids]
    (folder / "JPEGImages" / names[0]).parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        mp4 = None
        if options.mp4:
            mp4 = stack.enter_context(Mp4Writer(folder / "videos" / f"{index:05d}.mp4", options.size))
        for t, name in enumerate(names):
            frame, masks = video.draw(t)
            for track, mask in zip(segmentations, masks):
                track.append(None if mask is None else _encode(mask))
            _write_jpeg(folder / "JPEGImages" / name, frame)
            if mp4 is not None:
                mp4.write(frame)
    return [
        Seen(category, tuple(track))
        for category, track in zip(video.category_ids, segmentations)
        if any(track)
    ]


def _encode(mask: Mask) -> Rle:
    """The mask's RLE, found in its bounding box: most of a frame shows other things."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    box = (x, y, x + width, y + height)
    return rle.encode_in_box(mask[y : y + height, x : x + width], box, mask.shape)


def frame_names(index: int, frames: int) -> tuple[str, ...]:
    """Files of a video's frames below ``JPEGImages``."""
    return tuple(f"{index:05d}/{t:05d}.jpg" for t in range(frames))


def _write_jpeg(path: Path, frame: Frame) -> None:
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    path.write_bytes(data.tobytes())  # cv2.imwrite would not say why a disk refuses


def _videos(options: SynthOptions) -> tuple[Video, ...]:
    height, width = options.size
    return tuple(
        Video(index + 1, height, width, frame_names(index, options.frames)) for index in range(options.videos)
    )


def _tracks(drawn: list[list[Seen]]) -> tuple[Track, ...]:
    tracks: list[Track] = []
    for index, objects in enumerate(drawn):
        for seen in objects:
            areas = tuple(None if mask is None else float(rle.area(mask)) for mask in seen.segmentations)
            tracks.append(Track(len(tracks) + 1, index + 1, seen.category_id, seen.segmentations, areas))
    return tuple(tracks)


class Mp4Writer:
    """An MPEG-4 file, closed on exit."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        path.parent.mkdir(exist_ok=True)
        height, width = size
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._path = path
        self._writer = cv2.VideoWriter(str(path), codec, MP4_FPS, (width, height))

    def __enter__(self) -> Mp4Writer:
        if not self._writer.isOpened():
            raise UserError("this OpenCV cannot encode MPEG-4", self._path, "leave --mp4 out")
        return self

    def write(self, frame: Frame) -> None:
        """Take one frame, (H, W, 3) uint8 RGB."""
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def __exit__(self, *_: object) -> None:
        self._writer.release()
