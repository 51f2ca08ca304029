"""Where frames come from: a video file, an image, a folder of images, a camera or a URL.

Video is read through OpenCV, not PyAV: the base install has it already, one interface serves files, cameras
and URLs, its wheels exist for ARM boards, and its FFmpeg is LGPL (PyAV's wheels bring the GPL encoders x264
and x265).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Optional, Union

import cv2
import numpy as np

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.errors import UserError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
STILL_FPS = 30.0  # a folder of images has no rate of its own
MAX_PIXELS = 1 << 26  # 8K x 8K: a header that claims more is refused before it is decoded


class StreamInterruptedError(UserError):
    """The source ended before it should; the frames before are good."""


class Source(ABC):
    """An opened video.

    Attributes:
        name: what the user gave, for messages.
        fps: frames a second.
        frame_count: how many frames there should be; None where nobody knows.
    """

    name: str
    fps: float
    frame_count: Optional[int]

    @abstractmethod
    def __iter__(self) -> Iterator[Image]:
        """Yield the frames, (H, W, 3) uint8 RGB, once."""

    def frame_name(self, index: int) -> str:
        """The name of a frame for results: its number, or its file's name without suffix."""
        return f"{index:05d}"

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

    def __init__(self, name: str, files: list[Path]) -> None:
        self.name, self.fps, self.frame_count = name, STILL_FPS, len(files)
        self._files = files

    def frame_name(self, index: int) -> str:
        """The file's name without suffix."""
        return self._files[index].stem

    def __iter__(self) -> Iterator[Image]:
        """Yield the images; one that is broken or of another size interrupts the stream."""
        first: Optional[tuple[int, ...]] = None
        for file in self._files:
            image = _read_image(file)
            first = first or image.shape
            if image.shape != first:
                raise StreamInterruptedError(
                    f"the image is {image.shape[0]}x{image.shape[1]}, those before it {first[0]}x{first[1]}",
                    file,
                    "give images of one size",
                )
            yield image


def _read_image(file: Path) -> Image:
    try:
        data = np.fromfile(file, dtype=np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    except (OSError, cv2.error) as error:
        raise StreamInterruptedError("the image cannot be read", file, "replace or remove it") from error
    if image is None:
        raise StreamInterruptedError("the image is empty or broken", file, "replace or remove it")
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise StreamInterruptedError(
            f"the image has more than {MAX_PIXELS >> 20} megapixels", file, "make it smaller"
        )
    return np.asarray(image, dtype=np.uint8)


class Capture(Source):
    """A video file, a camera or a URL."""

    def __init__(self, target: Union[str, int], name: str, *, camera: bool) -> None:
        self.name = name
        # FFmpeg alone for files: OpenCV's other readers take broken ones and print what they find in them.
        self._capture = cv2.VideoCapture(target, cv2.CAP_ANY if camera else cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            fix = "check that it is connected" if camera else "check that it is a video and is complete"
            raise UserError("cannot open as a video", name, fix)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0.0 < fps <= 1000.0 else STILL_FPS
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frame_count = count if count > 0 and not camera else None
        self._camera = camera

    def __iter__(self) -> Iterator[Image]:
        """Yield the frames; a file that ends before its header says interrupts the stream."""
        read = 0
        while True:
            ok, frame = self._capture.read()
            if not ok:
                break
            read += 1
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        if read == 0:
            raise UserError("the video has no frames", self.name, "check that it is complete")
        # Containers without an index estimate their count from the duration: one frame off is no damage.
        if self.frame_count is not None and read < self.frame_count - 1:
            raise StreamInterruptedError(
                f"the video breaks off after {read} of {self.frame_count} frames", self.name, "get it again"
            )
        if self._camera:
            raise StreamInterruptedError(f"it stopped after {read} frames", self.name, "check the connection")

    def close(self) -> None:
        """Release the device or the file."""
        self._capture.release()


def open_source(source: Union[str, Path, int]) -> Source:
    """Open a video file, an image, a folder of images, a camera index or a URL.

    Raises:
        UserError: there is nothing to read frames from.
    """
    name = str(source)
    if isinstance(source, int) or name.isdigit():
        return Capture(int(name), f"camera {name}", camera=True)
    if "://" in name:
        return Capture(name, name, camera=False)
    path = Path(source)
    if not path.exists():
        raise UserError("no such file or folder", path, "check the path")
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise UserError("no images in the folder", path, f"it needs {', '.join(sorted(IMAGE_SUFFIXES))}")
        return ImageFiles(name, files)
    if path.stat().st_size == 0:
        raise UserError("the file is empty", path, "get it again")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFiles(name, [path])
    return Capture(name, name, camera=False)
