"""Whether a result can be believed: each rule that fails is a reason, printed beside the number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, Series
from mobilevis.benchmarks.latency.report.stats import quarter_spread
from mobilevis.benchmarks.latency.worker.job import TOTAL
from mobilevis.benchmarks.latency.worker.protocol import Protocol

MAX_FREQUENCY_DROP = 0.05
MAX_MEDIAN_SPREAD = 0.05
MAX_OTHERS_PINNED = 0.05  # of a core: what another process takes there, the measurement lacks
MAX_OTHERS_ELSEWHERE = 0.5  # cores: memory bandwidth, cache and power budget are shared
MAX_TEMPERATURE_RISE_C = 15.0
THERMAL_LIGHT = 1  # Android's PowerManager.THERMAL_STATUS_LIGHT


def judge(result: ArtefactResult, protocol: Protocol, device: Mapping[str, Any]) -> list[str]:
    """Reasons not to believe a result; empty when there are none.

    A sustained protocol measures heat and drift, so those do not speak against its result.
    """
    emulator = device.get("emulator")
    reasons = [f"emulated by {emulator}: its times are no latencies"] if emulator else []
    reasons += [reason for kind, series in result.workloads.items() for reason in _judge_series(kind, series)]
    if not result.workloads:
        reasons.append("nothing was measured")
    if protocol.judges_drift:
        for kind, series in result.workloads.items():
            spread = quarter_spread(_steady(kind, series).tolist())
            if spread > MAX_MEDIAN_SPREAD:
                reasons.append(f"{kind}: unstable median, its quarters lie {spread:.0%} apart")
        reasons += [reason for reason in (_slowed(result), *_heated(result)) if reason]
    if result.after is None:
        reasons.append("the run did not end")
    return reasons


def _steady(kind: str, series: Series) -> Any:
    """The whole step's samples, of the frames between keyframes where there are any: one mode, not two."""
    others = series.stage(TOTAL[kind], keyframes=False)
    return others if others.size else series.stage(TOTAL[kind])


def _judge_series(kind: str, series: Series) -> list[str]:
    reasons = []
    if series.settled is False:
        reasons.append(f"{kind}: the median did not settle in the warm-up")
    runs = series.runs(TOTAL[kind])
    if series.complete is None:
        reasons.append(f"{kind}: interrupted after {runs} runs")
    elif not series.complete:
        reasons.append(f"{kind}: out of time after {runs} runs")
    pinned, anywhere = series.others_on_pinned_cores, series.others_anywhere
    if pinned is not None and pinned > MAX_OTHERS_PINNED:
        reasons.append(f"{kind}: busy machine, others used {pinned:.0%} of a pinned core{_by(series)}")
    elif anywhere is not None and anywhere > MAX_OTHERS_ELSEWHERE:
        reasons.append(f"{kind}: busy machine, others used {anywhere:.1f} cores{_by(series)}")
    found = [count for count in series.instances if count is not None]  # a plain model finds none
    if kind == "frames" and found and not any(found):
        reasons.append("frames: no instance was found, so segment and masks were not run")
    return reasons


def _by(series: Series) -> str:
    names = [str(user["name"]) for user in series.users[:3]]
    return f" ({', '.join(names)})" if names else ""


def _slowed(result: ArtefactResult) -> Optional[str]:
    """A drop of the pinned cores' frequency; where none is shown, of the speed of a fixed piece of work."""
    clocks = [max(reading["frequencies_khz"].values(), default=0) for reading in result.readings]
    clocks = [khz for khz in clocks if khz > 0]  # a kernel may show 0 of what it does not know
    if clocks:
        drop = 1 - min(clocks) / clocks[0]
        if drop > MAX_FREQUENCY_DROP:
            return f"frequency dropped by {drop:.0%} to {min(clocks) / 1000:.0f} MHz"
        return None
    if result.before and result.after:
        drop = 1 - result.before["probe_ms"] / result.after["probe_ms"]
        if drop > MAX_FREQUENCY_DROP:
            return f"the device was {drop:.0%} slower after the run than before"
    return None


def _heated(result: ArtefactResult) -> list[str]:
    if not (result.before and result.after):
        return []
    before, after = result.before["snapshot"], result.after["snapshot"]
    reasons = []
    status, was = after["thermal_status"], before["thermal_status"]
    if status is not None and status >= THERMAL_LIGHT and status > (was or 0):
        reasons.append(f"thermal status rose from {was} to {status}")
    rises = _rises(before["temperatures_c"], [reading["temperatures_c"] for reading in result.readings])
    if rises:
        zone, rise = max(rises.items(), key=lambda item: item[1])
        if rise > MAX_TEMPERATURE_RISE_C:
            reasons.append(f"{zone} warmed by {rise:.0f} °C")
    return reasons


def _rises(before: Mapping[str, float], readings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Thermal zone → how far it rose above what it was before the run."""
    highest: dict[str, float] = {}
    for reading in readings:
        for zone, degrees in reading.items():
            highest[zone] = max(degrees, highest.get(zone, degrees))
    return {zone: highest[zone] - degrees for zone, degrees in before.items() if zone in highest}
