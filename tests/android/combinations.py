"""What is compared on every clip: each driver with its associations, at three keyframe intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mobilevis.runtime.arrays import Image
from mobilevis.runtime.segmenter import VideoSegmenter
from mobilevis.runtime.sinks import JsonLines

ASSOCIATIONS = {
    "mobileinst": ("slots", "online", "appearance"),
    "mobileinst-dense": ("online", "appearance"),
}
INTERVALS = (1, 3, 5)


def combinations(driver: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and driver options of each."""
    for association in ASSOCIATIONS[driver]:
        for interval in INTERVALS:
            yield f"{association}-{interval}", {"association": association, "keyframe_interval": interval}


def drifting() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and driver options of each combination whose keyframes come when features drift; of scripted clips
    alone, as a real network's rounding could tip a cell."""
    for interval in INTERVALS:
        options = {"association": "appearance", "keyframe_interval": interval, "keyframe_policy": "drift"}
        yield f"appearance-{interval}-drift", options


def write_results(file: Path, segmenter: VideoSegmenter, frames: Iterable[Image]) -> None:
    """What the runtime makes of the frames, as its own JSON lines."""
    sink = JsonLines(file, segmenter.metadata.classes)
    for frame in frames:
        sink.write(np.zeros((1, 1, 3), dtype=np.uint8), segmenter.process(frame))
    sink.close()
