"""``VideoSegmenter``: a streaming artefact on a video, frame by frame."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.blas import limit_blas
from mobilevis.runtime.drivers import make_driver
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.images import read_rgb
from mobilevis.runtime.metadata import Metadata
from mobilevis.runtime.results import FrameResult
from mobilevis.runtime.sources import Source, StreamInterruptedError, open_source


class VideoSegmenter:
    """Classifies, segments and tracks the objects of a video, one frame after the other.

    Args:
        artefact: path of a .pte or .tflite file or an ONNX folder, or an artefact already loaded.
        engine: ``onnxruntime``, ``executorch`` or ``litert``; None takes the format's own.
        threads: CPU threads of the engine, and of NumPy's products while a frame is processed.
        verify: compare the files' SHA-256 with the digests in the metadata.
        options: the driver's options, such as ``keyframe_interval=3``, ``association="online"``,
            ``score_threshold=0.3`` and ``classes=["person"]`` for MobileInst
            (``mobilevis.runtime.drivers.mobileinst.MobileInstOptions``).

    Raises:
        UserError: the artefact or an option is not usable.

    Example::

        segmenter = VideoSegmenter("mobileinst-topformer-tiny_320x640_fp32.tflite", keyframe_interval=3)
        for frame, result in segmenter.stream("street.mp4"):
            print(result.frame_index, [(item.track_id, item.box) for item in result.instances])
    """

    def __init__(
        self,
        artefact: Union[str, Path, Artefact],
        engine: Optional[str] = None,
        threads: int = 1,
        *,
        verify: bool = True,
        **options: Any,
    ) -> None:
        if isinstance(artefact, (str, Path)):
            artefact = load_artefact(artefact, engine, threads, verify=verify)
        self.artefact: Artefact = artefact
        self._threads = artefact.threads or threads
        self._driver = make_driver(artefact, options)
        self._categories = tuple(category.name for category in artefact.metadata.classes)
        self._frame_size: Optional[tuple[int, int]] = None
        self._frames = 0

    @property
    def metadata(self) -> Metadata:
        """The artefact's metadata."""
        return self.artefact.metadata

    @property
    def options(self) -> dict[str, Any]:
        """All options that the driver runs with, its own and the artefact's defaults among them."""
        return asdict(self._driver.options)

    @property
    def delay(self) -> int:
        """Frames after a frame that its answer may wait for; 0 for a frame-level driver."""
        return self._driver.delay

    @property
    def best_score(self) -> float:
        """The highest class score that the network gave, shown or not; says how low a threshold must be."""
        return self._driver.best_score

    def reset(self) -> None:
        """Forget the video: the next frame is the first of another one."""
        self._driver.reset()
        self._frame_size = None
        self._frames = 0

    def process(self, frame: Union[Image, str, Path], *, bgr: bool = False) -> FrameResult:
        """Segment and track the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB, or the path of an image file.
            bgr: the array is BGR, as OpenCV reads it; pixels cannot tell. A file is read right either way.

        Raises:
            UserError: the frame is not such an image or file, has another size than those before it, the
                network's output is not finite, or the driver answers whole clips only (use ``stream``).
        """
        if self.delay:
            raise UserError(f"{self.metadata.model} answers {self.delay} frames late", fix="use stream()")
        if isinstance(frame, (str, Path)):
            frame = read_rgb(Path(frame))
            bgr = False
        self._check_frame(frame)
        rgb = np.ascontiguousarray(frame[..., ::-1]) if bgr else frame
        with limit_blas(self._threads):
            result = self._driver.push(rgb)[0]
        return replace(result, categories=self._categories)

    def stream(self, source: Union[str, Path, int, Source]) -> Iterator[tuple[Image, FrameResult]]:
        """Run a whole video from its start; see ``answers``.

        Yields:
            Each frame, (H, W, 3) uint8 RGB, with its result.
        """
        for answer in self.answers(source):
            yield from answer

    def answers(self, source: Union[str, Path, int, Source]) -> Iterator[list[tuple[Image, FrameResult]]]:
        """Run a whole video from its start, by what the driver answers at once: a frame, or a clip of them.

        Args:
            source: video file, image, folder of images, camera index or URL, or an open source.

        Yields:
            Frames, (H, W, 3) uint8 RGB, with their results, at least one; ``milliseconds["read"]`` is the
            time that the source took to decode a frame.

        Raises:
            StreamInterruptedError: the source ends before it should; all frames before that were yielded.
        """
        self.reset()
        opened = source if isinstance(source, Source) else open_source(source)
        waiting: deque[tuple[Image, float]] = deque()
        interruption: Optional[StreamInterruptedError] = None
        with opened:
            frames = iter(opened)
            while True:
                start = time.perf_counter()
                try:
                    frame = next(frames, None)
                    if frame is None:
                        break
                    self._check_frame(frame)
                except StreamInterruptedError as error:
                    interruption = error
                    break
                waiting.append((frame, (time.perf_counter() - start) * 1e3))
                with limit_blas(self._threads):
                    results = self._push_still(frame) if opened.stills else self._driver.push(frame)
                if results:
                    yield self._pair(waiting, results)
            with limit_blas(self._threads):
                results = self._driver.flush()
            if results:
                yield self._pair(waiting, results)
        if interruption is not None:
            raise interruption

    def _push_still(self, frame: Image) -> list[FrameResult]:
        """The answer to a picture that has nothing to do with those before it."""
        index = self._frames - 1
        self._driver.reset()
        results = self._driver.push(frame) or self._driver.flush()
        self._driver.reset()
        self._frame_size = None
        return [replace(result, frame_index=index) for result in results]

    def _check_frame(self, frame: Image) -> None:
        if not isinstance(frame, np.ndarray):
            raise UserError(
                f"frame {self._frames} is a {type(frame).__name__}",
                fix="give a path or (H, W, 3) uint8 RGB (bgr=True for OpenCV's)",
            )
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
            raise UserError(
                f"frame {self._frames} is {frame.shape} {frame.dtype}", fix="give (H, W, 3) uint8 RGB"
            )
        size = (frame.shape[0], frame.shape[1])
        if self._frame_size is not None and size != self._frame_size:
            first = "x".join(map(str, self._frame_size))
            raise StreamInterruptedError(
                f"frame {self._frames} is {size[0]}x{size[1]}, the video began with {first}",
                fix="give frames of one size, or start a new video with reset()",
            )
        self._frame_size = size
        self._frames += 1

    def _pair(
        self, waiting: deque[tuple[Image, float]], results: list[FrameResult]
    ) -> list[tuple[Image, FrameResult]]:
        pairs = []
        for result in results:
            frame, read = waiting.popleft()
            milliseconds = {"read": read, **result.milliseconds}
            pairs.append((frame, replace(result, milliseconds=milliseconds, categories=self._categories)))
        return pairs
