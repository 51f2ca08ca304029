"""The speed of the last frames in words, for a legend on a video."""

from __future__ import annotations

from collections import deque

from mobilevis.runtime.results import FrameResult

WINDOW = 30  # frames: a second of most videos


class SpeedLegend:
    """The mean time of the last frames, from an RGB frame in memory to its instances."""

    def __init__(self) -> None:
        self._times: deque[tuple[bool, float]] = deque(maxlen=WINDOW)

    def update(self, result: FrameResult) -> str:
        """Take the next frame's result; the legend in ASCII, empty where a driver says no time."""
        if "frame" not in result.milliseconds:
            return ""
        self._times.append((result.is_keyframe, result.milliseconds["frame"]))
        mean = _mean([time for _, time in self._times])
        key, other = ([time for is_key, time in self._times if is_key is kind] for kind in (True, False))
        parts = f" (keyframe {_mean(key):.1f}, other {_mean(other):.1f})" if key and other else ""
        return f"{mean:.1f} ms a frame{parts}, {1e3 / max(mean, 1e-3):.1f} fps"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
