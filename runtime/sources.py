"""Where frames come from: a video file, an image, a folder of images, a camera, a URL or a pipe.

Video is read through OpenCV, not PyAV: the base install has it already, one interface serves files, cameras
and URLs, its wheels exist for ARM boards, and its FFmpeg is LGPL (PyAV's wheels bring the GPL encoders x264
and x265).
"""

from __future__ import annotations

import os
import re
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Optional, Union

import cv2
import numpy as np

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.containers import is_cut_off
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.images import IMAGE_SUFFIXES, MAX_PIXELS, read_rgb
from mobilevis.runtime.reading import path_status

STILL_FPS = 30.0  # a folder of images has no rate of its own
MAX_CAMERAS = 100  # OpenCV takes the hundreds of a camera's number for a choice of its reader
OPEN_SECONDS = 8.0  # how long an address may take to answer
V4L_MAJOR = 81  # of Linux's camera devices
STANDARD_INPUT = "-"


class StreamInterruptedError(UserError):
    """The source ended before it should; the frames before are good."""


class Source(ABC):
    """An opened video.

    Attributes:
        name: what the user gave, for messages.
        fps: frames a second.
        frame_count: about how many frames there are: containers estimate it. None where nobody knows.
        stills: whether each frame is a picture of its own, of any size, and no moment of a video.
    """

    name: str
    fps: float
    frame_count: Optional[int]
    stills: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[Image]:
        """Yield the frames, (H, W, 3) uint8 RGB, once."""

    def frame_name(self, index: int) -> str:
        """The name of a frame for results: its number, or its file's name without suffix."""
        return f"{index:05d}"

    def file_name(self, index: int) -> str:
        """The name of a frame's file with its suffix; where it has none, its number."""
        return self.frame_name(index)

    def close(self) -> None:  # noqa: B027 - images hold nothing open
        """Release the device or the file."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


class ImageFiles(Source):
    """Image files in the given order, grey and alpha turned into RGB, 16 bits into 8."""

    def __init__(self, name: str, files: Sequence[Path], stills: bool = False) -> None:
        self.name, self.fps, self.frame_count, self.stills = name, STILL_FPS, len(files), stills
        self._files = files

    def frame_name(self, index: int) -> str:
        """The file's name without suffix."""
        return self._files[index].stem

    def file_name(self, index: int) -> str:
        """The file's name."""
        return self._files[index].name

    def __iter__(self) -> Iterator[Image]:
        """Yield the images; one that is broken, or of another size in a video, interrupts the stream."""
        first: Optional[tuple[int, ...]] = None
        for file in self._files:
            try:
                image = read_rgb(file)
            except UserError as error:
                raise StreamInterruptedError(error.what, error.file, error.fix) from error
            first = first or image.shape
            if image.shape != first and not self.stills:
                raise StreamInterruptedError(
                    f"the image is {image.shape[0]}x{image.shape[1]}, those before it {first[0]}x{first[1]}",
                    file,
                    "give images of one size, or --stills where each is a picture of its own",
                )
            yield image


class Capture(Source):
    """What OpenCV decodes: a video file, a pipe, a camera or a URL.

    Args:
        capture: opened by OpenCV, or refused by it.
        name: what the user gave.
        fix: what to do where it was refused, or ends early.
        file: a whole file, which tells whether it was cut off; None for anything else.
        endless: a camera, which has no end of its own.
    """

    def __init__(
        self,
        capture: Optional[cv2.VideoCapture],
        name: str,
        fix: str,
        file: Optional[Path] = None,
        endless: bool = False,
    ) -> None:
        if capture is None or not capture.isOpened():
            raise UserError("cannot open as a video", name, fix)
        self.name, self._capture, self._fix, self._file, self._endless = name, capture, fix, file, endless
        width, height = (capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            self.close()
            raise UserError(f"the video has more than {MAX_PIXELS >> 20} megapixels", name, "make it smaller")
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0.0 < fps <= 1000.0 else STILL_FPS
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if 0 < count < 1 << 31 and not endless else None

    def __iter__(self) -> Iterator[Image]:
        """Yield the frames; a file that was cut off, or a camera that stops, interrupts the stream."""
        read = 0
        while True:
            ok, frame = self._capture.read()
            if not ok:
                break
            read += 1
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        if read == 0:
            raise UserError("the video has no frames", self.name, self._fix)
        if self._file is not None and is_cut_off(self._file):
            raise StreamInterruptedError(
                f"the video breaks off after {read} frames: the file was cut off", self.name, "get it again"
            )
        if self._endless:
            raise StreamInterruptedError(f"it stopped after {read} frames", self.name, self._fix)

    def close(self) -> None:
        """Release the device or the file."""
        self._capture.release()


def open_source(source: Union[str, Path, int], stills: bool = False) -> Source:
    """Open a video file, an image, a folder of images, a camera index, a URL, or ``-`` for standard input.

    A file or folder that exists is meant, whatever its name looks like.

    Args:
        source: what to read.
        stills: each image of a folder is a picture of its own, not a frame of a video.

    Raises:
        UserError: there is nothing to read frames from.
    """
    name = str(source)
    if name == STANDARD_INPUT:
        return _open_standard_input()
    path = Path(source) if not isinstance(source, int) else None
    status = path_status(path) if path is not None and name else None
    if path is not None and status is not None:
        return _open_path(path, name, status, stills)
    if re.fullmatch(r"-?[0-9]+", name):
        return _open_camera(name)
    if "://" in name:
        return _open_url(name)
    raise UserError("no such file or folder", f"{name:.200}", "check the path")


def _open_path(path: Path, name: str, status: os.stat_result, stills: bool) -> Source:
    if stat.S_ISDIR(status.st_mode):
        return ImageFiles(name, list_images(path), stills)
    if stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == V4L_MAJOR:
        capture = cv2.VideoCapture(str(path), cv2.CAP_ANY)
        return Capture(capture, name, "check that it is connected", endless=True)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        raise UserError("this is neither a file nor a camera", name, "give a video, an image or a folder")
    if stat.S_ISREG(status.st_mode):
        if status.st_size == 0:
            raise UserError("the file is empty", path, "get it again")
        if path.suffix.lower() in IMAGE_SUFFIXES:
            return ImageFiles(name, [path], stills)
    file = path if stat.S_ISREG(status.st_mode) else None
    return Capture(_open_file(path), name, "check that it is a video and is complete", file)


def _open_file(path: Path) -> cv2.VideoCapture:
    """By FFmpeg alone: OpenCV's other readers take broken files and print what they find in them."""
    try:
        # Absolute, as FFmpeg takes 14:05:33.mp4 for the protocol 14.
        return cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG)  # noqa: PTH100 - keeps symlinks
    except UnicodeError as error:
        raise UserError("the file's name is no UTF-8", ascii(str(path)), "rename it") from error


def _open_standard_input() -> Source:
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError("standard input is no pipe", STANDARD_INPUT, "pipe a video into the command")
    capture = cv2.VideoCapture("pipe:0", cv2.CAP_FFMPEG)
    return Capture(capture, "standard input", "pipe a video that can be read without going back in it")


def _open_camera(name: str) -> Source:
    if not 0 < len(name) <= 4 or not 0 <= int(name) < MAX_CAMERAS:
        raise UserError(f"there is no camera {name:.20}", fix=f"give a number from 0 to {MAX_CAMERAS - 1}")
    capture = cv2.VideoCapture(int(name), cv2.CAP_ANY)
    return Capture(capture, f"camera {int(name)}", "check that it is connected", endless=True)


def _open_url(url: str) -> Source:
    """Open an address in a bounded time, also where its name server or its host never answers."""
    milliseconds = int(OPEN_SECONDS * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
    opened: list[cv2.VideoCapture] = []
    # FFmpeg asks the name server without a limit of its own: the thread is left to itself if it hangs.
    thread = Thread(target=lambda: opened.append(cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)), daemon=True)
    thread.start()
    thread.join(OPEN_SECONDS + 1)
    fix = "check the address, the network, and that a video is served there"
    if not opened:
        raise UserError(f"the address does not answer within {OPEN_SECONDS:.0f} seconds", url, fix)
    if not opened[0].isOpened():
        raise UserError("the address does not answer, or not with a video", url, fix)
    return Capture(opened[0], url, fix)


def list_images(folder: Path) -> list[Path]:
    """The images of a folder, numbers in their names compared as numbers: 2.png before 10.png.

    Raises:
        UserError: the folder cannot be read, or has none.
    """
    try:
        files = [
            file
            for file in folder.iterdir()
            # macOS leaves a ._1.png beside each 1.png on a memory card.
            if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
        ]
    except OSError as error:
        raise UserError(f"cannot read the folder: {error.strerror}", folder, "check the path") from error
    if not files:
        raise UserError("no images in the folder", folder, f"it needs {', '.join(sorted(IMAGE_SUFFIXES))}")
    return sorted(files, key=lambda file: natural_key(file.name))


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts names as people do: runs of digits by their value, of whatever length and padding."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    key = []
    for part in parts:
        digits = part.lstrip("0") if part[0] in "0123456789" else None
        key.append((1, 0, part) if digits is None else (0, len(digits), digits))
    return key, name
