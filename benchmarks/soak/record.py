"""What a process held while it streamed, whether that is flat, and its JSON, ``mobilevis.soak/1``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from scipy.stats import theilslopes

from mobilevis.benchmarks.latency.report.tables import Table

SCHEMA = "mobilevis.soak/1"
WARM_UP = 0.1  # of the frames: engines and allocators reserve what they need by then
MAX_GROWTH = 100.0  # bytes a frame: 1 MB over 10,000 frames
MIB = 1 << 20
EARLY = 100  # frames, the reading that the last one is shown beside


@dataclass(frozen=True)
class Slope:
    """Growth of the resident memory after the warm-up, in bytes a frame, with its 95 % interval.

    By Theil and Sen: the median of the slopes between all pairs of readings, which single readings of a busy
    machine do not move.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Holdings:
    """Readings of one process, by column, in the order of the frames.

    Attributes:
        frames: streamed until then.
        resident_mib: memory that it holds.
        descriptors: open files.
        threads: of all libraries.

    Raises:
        ValueError: columns of different lengths, or frames that do not increase.
        TypeError: a value is no number.
    """

    frames: Sequence[int] = ()
    resident_mib: Sequence[float] = ()
    descriptors: Sequence[int] = ()
    threads: Sequence[int] = ()

    def __post_init__(self) -> None:
        columns = [self.frames, self.resident_mib, self.descriptors, self.threads]
        if len({len(column) for column in columns}) != 1:
            raise ValueError("the columns of the readings differ in length")
        if any(type(value) not in (int, float) or value < 0 for column in columns for value in column):
            raise TypeError("a reading is no number from 0")
        if any(a >= b for a, b in zip(self.frames, self.frames[1:])):
            raise ValueError("the readings are not in order")

    def after_warm_up(self) -> Holdings:
        """The readings after the first tenth of the frames."""
        start = WARM_UP * self.frames[-1] if self.frames else 0
        kept = [i for i, count in enumerate(self.frames) if count >= start]
        return Holdings(**{name: [column[i] for i in kept] for name, column in vars(self).items()})

    def slope(self) -> Optional[Slope]:
        """How the memory grew after the warm-up; None where fewer than three readings tell."""
        steady = self.after_warm_up()
        if len(steady.frames) < 3:
            return None
        value, _, low, high = theilslopes([mib * MIB for mib in steady.resident_mib], steady.frames)
        return Slope(float(value), float(low), float(high))


@dataclass(frozen=True)
class SoakResult:
    """One artefact's stream.

    Attributes:
        name, sha256: of the artefact.
        asked: frames that it was to stream.
        facts: engine, threads, model, input size, as the worker found them.
    """

    name: str
    sha256: str
    asked: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    holdings: Holdings = field(default_factory=Holdings)

    @property
    def reasons(self) -> list[str]:
        """Why it is not flat; empty when it is."""
        streamed = self.holdings.frames[-1] if self.holdings.frames else 0
        reasons = [] if streamed >= self.asked else [f"it ended after {streamed} of {self.asked} frames"]
        slope, steady = self.holdings.slope(), self.holdings.after_warm_up()
        if slope is None:
            return [*reasons, "too few readings to tell"]
        if slope.value > MAX_GROWTH:
            reasons.append(f"its memory grows by {slope.value:.0f} bytes a frame")
        for what in ("descriptors", "threads"):
            counts = getattr(steady, what)
            if max(counts) > counts[0]:
                reasons.append(f"its {what} grew from {counts[0]} to {max(counts)}")
        return reasons

    @property
    def flat(self) -> bool:
        """Whether the stream held no more at its end than after the warm-up."""
        return not self.reasons


@dataclass(frozen=True)
class SoakRecord:
    """One run: every artefact in a process of its own."""

    created: str
    harness: Mapping[str, str]
    command: Sequence[str]
    device: Mapping[str, Any]
    source: str
    driver_options: Mapping[str, Any]
    artefacts: Sequence[SoakResult]

    @property
    def flat(self) -> bool:
        """Whether every artefact's stream is."""
        return all(result.flat for result in self.artefacts)

    def to_dict(self) -> dict[str, Any]:
        """The record with its derived figures: ``flat``, ``reasons`` and ``bytes_a_frame``."""
        raw = asdict(self)
        for item, result in zip(raw["artefacts"], self.artefacts):
            slope = result.holdings.slope()
            derived = {"bytes_a_frame": None if slope is None else asdict(slope), "reasons": result.reasons}
            item.update(flat=result.flat, **derived)
        return {"schema": SCHEMA, "flat": self.flat, **raw}


def soak_table(results: Sequence[SoakResult]) -> Table:
    """What each process held early, at its end, and how that grew; without those that give no slope."""
    rows = []
    for result in results:
        held, slope = result.holdings, result.holdings.slope()
        if slope is None:
            continue
        early = next((mib for count, mib in zip(held.frames, held.resident_mib) if count >= EARLY), 0.0)
        rows.append(
            [
                str(result.facts.get("engine", "")),
                f"{held.frames[-1]:,}",
                f"{early:.1f}",
                f"{held.resident_mib[-1]:.1f}",
                f"{slope.value:.1f} [{slope.low:.1f}, {slope.high:.1f}]",
                _range(held.descriptors),
                _range(held.threads),
            ]
        )
    grown = "bytes a frame [95 %]"
    header = ["engine", "frames", f"MiB after {EARLY}", "at the end", grown, "open files", "threads"]
    return Table("Held by a process that streams", header, rows)


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def parse_result(raw: Mapping[str, Any]) -> SoakResult:
    """An artefact's result from a record's JSON; derived figures are computed again.

    Raises:
        KeyError, TypeError, ValueError: it is no such result.
    """
    names = ("name", "sha256", "asked", "facts")
    return SoakResult(**{name: raw[name] for name in names}, holdings=Holdings(**raw["holdings"]))
