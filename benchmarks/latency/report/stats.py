"""What is said of samples: percentiles, an interval of the median, and ratios of two sets of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

Samples = NDArray[np.float64]
Runs = tuple[Optional[int], Optional[int]]
CONFIDENCE = 0.95
RESAMPLES = 1000
# A fast entry gives hundreds of thousands of samples, whose interval is narrow: fewer resamples show it.
MIN_RESAMPLES = 200
MAX_DRAWS = 20_000_000
_CHUNK_VALUES = 1 << 22  # 32 MiB of float64 at a time: a sustained run has tens of thousands of samples


@dataclass(frozen=True)
class Summary:
    """Statistics of one set of samples, in the samples' unit (milliseconds everywhere here).

    Percentiles interpolate linearly. ``median_low`` and ``median_high`` bound the median with 95 %
    confidence (moving-block bootstrap). ``std`` is the sample's (n - 1); 0 for one sample. ``runs`` are the
    measurements that the ``count`` samples come from: the frames of a clip share one answer's cost.
    """

    count: int
    runs: int
    mean: float
    std: float
    min: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    median_low: float
    median_high: float


@dataclass(frozen=True)
class Ratio:
    """A ratio with its 95 % interval.

    Attributes:
        pairs: pairs of samples taken side by side; 0 where the two sets are unpaired.
    """

    value: float
    low: float
    high: float
    pairs: int

    @property
    def is_distinct(self) -> bool:
        """Whether the interval excludes 1: the two differ by more than their noise."""
        return not self.low <= 1.0 <= self.high


def as_samples(values: ArrayLike) -> Samples:
    """The values as (n,) float64.

    Raises:
        ValueError: empty, not one-dimensional, or a value that is negative or not finite.
    """
    samples = np.asarray(values, dtype=np.float64)
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(f"samples of shape {samples.shape} are not a list of at least one number")
    if not np.isfinite(samples).all() or samples.min() < 0:
        raise ValueError("samples are not all finite and non-negative")
    return samples


def summarise(values: ArrayLike, runs: Optional[int] = None) -> Summary:
    """All statistics of one set of samples, which come from so many runs; None: each from its own."""
    samples = as_samples(values)
    p50, p90, p95, p99 = (float(value) for value in np.percentile(samples, [50, 90, 95, 99]))
    low, high = _interval(bootstrap_medians(samples, runs))
    return Summary(
        count=samples.size,
        runs=samples.size if runs is None else runs,
        mean=float(samples.mean()),
        std=float(samples.std(ddof=1)) if samples.size > 1 else 0.0,
        min=float(samples.min()),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        max=float(samples.max()),
        median_low=low,
        median_high=high,
    )


def block_resamples(n: int, runs: Optional[int] = None, seed: int = 0) -> Iterator[NDArray[np.intp]]:
    """Up to RESAMPLES rows of n indices by moving-block bootstrap (Künsch 1989), some rows at a time.

    Successive latencies are correlated (clock, heat, neighbours), so resampling them one by one would claim
    too narrow an interval; blocks of runs^(1/3) runs keep the short correlations, and the frames of a clip,
    which are one run, together. The same seed gives the same rows.

    Raises:
        ValueError: no run, or more runs than samples.
    """
    runs = n if runs is None else runs
    if not 1 <= runs <= n:
        raise ValueError(f"{n} samples do not come from {runs} runs")
    block = round(n / runs * max(1, round(runs ** (1 / 3))))
    blocks = -(-n // block)
    count = max(MIN_RESAMPLES, min(RESAMPLES, MAX_DRAWS // n))
    starts = np.random.default_rng(seed).integers(0, n - block + 1, size=(count, blocks, 1))
    step = max(1, _CHUNK_VALUES // n)
    for i in range(0, count, step):
        yield (starts[i : i + step] + np.arange(block)).reshape(-1, blocks * block)[:, :n]


def bootstrap_medians(samples: Samples, runs: Optional[int] = None, seed: int = 0) -> Samples:
    """The medians of resamples of (n,) samples."""
    resamples = block_resamples(samples.size, runs, seed)
    return np.concatenate([np.median(samples[rows], axis=1) for rows in resamples])


def _interval(resampled: Samples) -> tuple[float, float]:
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def paired_ratio(a: ArrayLike, b: ArrayLike, runs: Optional[int] = None) -> Ratio:
    """The median of a_i / b_i over samples taken side by side, such as the rounds of an interleaved run.

    Args:
        a: numerators.
        b: denominators.
        runs: that the pairs come from; None: each from its own.

    Raises:
        ValueError: different lengths, or a zero in b.
    """
    first, second = _pairs(a, b)
    if second.min() == 0:
        raise ValueError("a sample of 0 has no ratio")
    ratios = first / second
    low, high = _interval(bootstrap_medians(ratios, runs))
    return Ratio(float(np.median(ratios)), low, high, pairs=ratios.size)


def mean_ratio(a: ArrayLike, b: ArrayLike, paired: bool, runs: Runs = (None, None)) -> Ratio:
    """The ratio of the means: for key and other frames together, two modes that no median sums up.

    Args:
        a: numerators.
        b: denominators.
        paired: whether they were taken side by side.
        runs: that each set comes from, the same for pairs; None: a sample from its own.

    Raises:
        ValueError: different lengths of pairs, or a mean of 0 in b.
    """
    first, second = _pairs(a, b) if paired else (as_samples(a), as_samples(b))
    if second.mean() == 0:
        raise ValueError("a mean of 0 has no ratio")
    seeds = (0, 0) if paired else (1, 2)
    means = [
        np.concatenate([samples[rows].mean(axis=1) for rows in block_resamples(samples.size, own, seed)])
        for samples, own, seed in zip((first, second), runs, seeds)
    ]
    low, high = _interval(means[0] / means[1])
    return Ratio(float(first.mean() / second.mean()), low, high, pairs=first.size if paired else 0)


def _pairs(a: ArrayLike, b: ArrayLike) -> tuple[Samples, Samples]:
    first, second = as_samples(a), as_samples(b)
    if first.shape != second.shape:
        raise ValueError(f"{first.size} and {second.size} samples are not pairs")
    return first, second


def unpaired_ratio(a: ArrayLike, b: ArrayLike, runs: Runs = (None, None)) -> Ratio:
    """The ratio of the medians of two independent sets of samples, which come from so many runs each."""
    first, second = as_samples(a), as_samples(b)
    if np.median(second) == 0:
        raise ValueError("a median of 0 has no ratio")
    low, high = _interval(
        bootstrap_medians(first, runs[0], seed=1) / bootstrap_medians(second, runs[1], seed=2)
    )
    return Ratio(float(np.median(first) / np.median(second)), low, high, pairs=0)


def amortised(key: float, other: float, interval: float) -> float:
    """The mean cost of a frame when one frame in ``interval`` is a keyframe."""
    return (key + (interval - 1) * other) / interval


def quarter_spread(values: Sequence[float]) -> float:
    """How far the medians of the four quarters of a run lie apart: largest over smallest, minus 1.

    0 for fewer than eight samples: quarters of one sample say nothing.
    """
    if len(values) < 8:
        return 0.0
    medians = [float(np.median(part)) for part in np.array_split(as_samples(values), 4)]
    return max(medians) / min(medians) - 1 if min(medians) > 0 else 0.0
