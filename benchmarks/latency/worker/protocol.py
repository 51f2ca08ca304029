"""When to stop warming up and when to stop measuring. Runs on the device: the standard library only.

Presets follow the loop rule of TFLite's benchmark_model (until runs AND seconds are reached, capped) with the
sizes of the MLPerf Mobile rules: 1024 samples and 60 s, quick 128 and 10 s. ``slow`` is for rounds of
seconds: quick's warm-up does not hold the sixteen of them that it asks for, nor its cap 128.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from mobilevis.runtime.errors import unknown_name


@dataclass(frozen=True)
class Protocol:
    """How long to warm up and to measure.

    Attributes:
        min_runs: measure at least so many rounds,
        min_seconds: and at least so long,
        max_seconds: but never longer.
        warmup_seconds: warm up at least so long: schedutil needs about 0.5 s to raise the clock.
        max_warmup_seconds: give up waiting for the median to settle.
        window: runs whose running median must settle.
        settled_within: relative distance between two successive windows' medians that counts as settled.
        judges_drift: whether drift and heat make a result invalid. A sustained run measures just those.
    """

    name: str
    min_runs: int
    min_seconds: float
    max_seconds: float
    warmup_seconds: float = 0.5
    max_warmup_seconds: float = 20.0
    window: int = 8
    settled_within: float = 0.02
    judges_drift: bool = True

    def __post_init__(self) -> None:
        if self.min_runs < 1 or self.window < 1:
            raise ValueError(f"protocol {self.name}: runs and window are at least 1")
        if not 0 <= self.min_seconds <= self.max_seconds:
            raise ValueError(f"protocol {self.name}: {self.min_seconds} s is not within {self.max_seconds} s")
        if not 0 <= self.warmup_seconds <= self.max_warmup_seconds:
            raise ValueError(f"protocol {self.name}: the warm-up's minimum exceeds its maximum")

    def has_settled(self, durations: Sequence[float], elapsed: float) -> bool:
        """Whether the running median of the durations so far has settled, after the minimum time."""
        if elapsed < self.warmup_seconds or len(durations) < 2 * self.window:
            return False
        before = median(durations[-2 * self.window : -self.window])
        after = median(durations[-self.window :])
        return abs(after - before) <= self.settled_within * before

    def may_stop_warmup(self, durations: Sequence[float], elapsed: float) -> bool:
        """Whether the warm-up ends here, settled or not."""
        return elapsed >= self.max_warmup_seconds or self.has_settled(durations, elapsed)

    def is_complete(self, runs: int, elapsed: float) -> bool:
        """Whether both minima are reached."""
        return runs >= self.min_runs and elapsed >= self.min_seconds

    def may_stop(self, runs: int, elapsed: float) -> bool:
        """Whether measuring ends here, complete or capped."""
        return elapsed >= self.max_seconds or self.is_complete(runs, elapsed)

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("slow", min_runs=24, min_seconds=60, max_seconds=900, max_warmup_seconds=180, window=5),
        Protocol("quick", min_runs=128, min_seconds=10, max_seconds=120),
        Protocol("standard", min_runs=1024, min_seconds=60, max_seconds=600),
        Protocol("sustained", min_runs=1024, min_seconds=600, max_seconds=1800, judges_drift=False),
    )
}


def find_protocol(name: str) -> Protocol:
    """The preset of this name.

    Raises:
        UserError: no such preset.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
