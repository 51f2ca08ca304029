"""Plots of a report, all artefacts in one: distribution, stacked stages, latency against T."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any, Optional

import numpy as np

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, Series
from mobilevis.benchmarks.latency.report.stats import Samples, amortised
from mobilevis.benchmarks.latency.report.svg import (
    Scale,
    element,
    label,
    legend,
    picture,
    polyline,
    tip,
    x_axis,
    y_axis,
)
from mobilevis.benchmarks.latency.report.tables import frame_groups
from mobilevis.benchmarks.latency.worker.job import TOTAL
from mobilevis.runtime.keyframes import FIXED

WIDTH = 860
LEFT, RIGHT = 60, 830
COLORS = ("#4269d0", "#e08214", "#1b9e77", "#a463f2", "#d0385c", "#6c8b1f", "#0e8fa3", "#8c6d46")
STAGE_COLORS = {
    "resize": "#9ecae1",
    "encode": "#4269d0",
    "propagate": "#8fa6ea",
    "policy": "#6c8b1f",
    "decode": "#7a5bd0",
    "association": "#d0385c",
    "segment": "#1b9e77",
    "masks": "#e6a532",
    "other": "#9aa0a6",
}
MAX_INTERVAL = 12


def main_kind(artefact: ArtefactResult) -> Optional[str]:
    """Whole frames where they were measured, else the entries' sum, else nothing."""
    return next((kind for kind in ("frames", "entries") if _has_samples(artefact, kind)), None)


def _has_samples(artefact: ArtefactResult, kind: str) -> bool:
    return kind in artefact.workloads and len(artefact.workloads[kind].at_s) > 0


def distribution_plot(report: LatencyReport) -> Optional[str]:
    """One density for each artefact; keyframes and other frames apart; median and 90th percentile marked."""
    rows: list[tuple[str, str, Samples]] = []
    for artefact, color in zip(report.artefacts, cycle(COLORS)):
        kind = main_kind(artefact)
        if kind is None:
            continue
        series, total = artefact.workloads[kind], TOTAL[kind]
        groups = frame_groups(series) if kind == "frames" else {"all entries": None}
        for words, keyframes in groups.items():
            samples = series.stage(total, keyframes)
            if samples.size:
                rows.append((f"{artefact.name} · {words}", color, samples))
    if not rows:
        return None
    # The slowest percent would squeeze the rest into the left edge; the table gives the maximum.
    high = max(float(np.percentile(samples, 99)) for _, _, samples in rows)
    low = min(float(samples.min()) for _, _, samples in rows)
    margin = 0.05 * (high - low) or 0.05 * high
    row_height, top = 76, 20
    bottom = top + row_height * len(rows)
    scale = Scale(max(0.0, low - margin), high + margin, LEFT, RIGHT)
    parts = [x_axis(scale, top, bottom, "ms, up to the 99th percentile")]
    for index, (words, color, samples) in enumerate(rows):
        parts.append(_ridge(scale, top + row_height * (index + 1), row_height - 22, color, words, samples))
    return picture(WIDTH, bottom + 44, "Distribution of latencies", *parts)


def _ridge(scale: Scale, base: float, height: float, color: str, words: str, samples: Samples) -> str:
    xs = np.linspace(scale.low, scale.high, 240)
    density = _density(samples, xs)
    ys = base - height * density / density.max()
    outline = [(scale(x), float(y)) for x, y in zip(xs, ys)]
    closed = [(outline[0][0], base), *outline, (outline[-1][0], base)]
    shape = " ".join(f"{x:.1f},{y:.1f}" for x, y in closed)
    p50, p90 = (float(value) for value in np.percentile(samples, [50, 90]))
    marks: dict[str, Any] = {"stroke": color, "stroke_width": 2, "y2": base}
    x50, x90 = scale(p50), scale(p90)
    figures = tip(f"p50 {p50:.2f} ms, p90 {p90:.2f} ms, {samples.size} samples")
    return "".join(
        [
            element("polygon", figures, points=shape, fill=color, fill_opacity=0.28),
            polyline(outline, stroke=color, stroke_width=1.6),
            element("line", x1=x50, x2=x50, y1=base - height, **marks),
            element("line", x1=x90, x2=x90, y1=base - height / 2, stroke_dasharray="3 3", **marks),
            label(LEFT, base - height - 6, words, class_="name"),
            label(RIGHT, base - height - 6, f"p50 {p50:.2f} · p90 {p90:.2f}", text_anchor="end"),
        ]
    )


def _density(samples: Samples, xs: Samples) -> Samples:
    """Gaussian kernel density, bandwidth by Silverman's rule with the quartiles (robust to the tail)."""
    low, high = np.percentile(samples, [25, 75])
    spread = min(float(samples.std()), float(high - low) / 1.34) or float(samples.std())
    floor = (xs[-1] - xs[0]) / 200  # equal samples have no spread: draw a narrow peak
    bandwidth = max(0.9 * spread * samples.size**-0.2, float(floor))
    kept = samples[:: max(1, samples.size // 4000)]
    density: Samples = np.exp(-0.5 * ((xs[:, None] - kept[None]) / bandwidth) ** 2).sum(axis=1)
    return density


def stages_plot(report: LatencyReport) -> Optional[str]:
    """Mean milliseconds of each stage, stacked, of keyframes, other frames, and their amortised mean."""
    rows: list[tuple[str, dict[str, float]]] = []
    for artefact in report.artefacts:
        if _has_samples(artefact, "frames") and not artefact.is_baseline:
            series = artefact.workloads["frames"]
            for words, keyframes in (("keyframes", True), ("other frames", False), ("amortised", None)):
                stages = mean_stages(series, keyframes)
                rows += [(f"{artefact.name} · {words}", stages)] if stages else []
    if not rows:
        return None
    top, row_height = 46, 50
    bottom = top + row_height * len(rows)
    scale = Scale(0.0, 1.12 * max(sum(stages.values()) for _, stages in rows), LEFT, RIGHT)
    names = dict.fromkeys(stage for _, stages in rows for stage in stages)
    parts = [
        legend(LEFT, 18, [(stage_color(name), name) for name in names]),
        x_axis(scale, top - 12, bottom, "mean ms"),
    ]
    for index, (words, stages) in enumerate(rows):
        parts.append(_bar(scale, top + row_height * index, words, stages))
    return picture(WIDTH, bottom + 44, "Stages of a frame", *parts)


def mean_stages(series: Series, keyframes: Optional[bool]) -> dict[str, float]:
    """Stage → mean milliseconds a frame, with ``other`` for what the whole frame holds beside them.

    A stage that only some of the frames have counts its share: the means add up to the whole frame's.
    """
    frames = series.stage(TOTAL["frames"], keyframes)
    if not frames.size:
        return {}
    stages = {
        stage: float(series.stage(stage, keyframes).sum() / frames.size)
        for stage in series.milliseconds
        if stage not in (TOTAL["frames"], "read")
    }
    stages = {stage: mean for stage, mean in stages.items() if mean > 0}
    return {**stages, "other": max(0.0, float(frames.mean()) - sum(stages.values()))}


def stage_color(stage: str) -> str:
    """The colour of a stage; families with other entries take from the palette by name."""
    return STAGE_COLORS.get(stage) or COLORS[sum(stage.encode()) % len(COLORS)]


def _bar(scale: Scale, y: float, words: str, stages: Mapping[str, float]) -> str:
    parts = [label(LEFT, y + 8, words, class_="name")]
    start = 0.0
    for stage, mean in stages.items():
        x, width = scale(start), scale(start + mean) - scale(start)
        box = {"x": x, "y": y + 14, "width": max(0.0, width - 0.8), "height": 20}
        parts.append(element("rect", tip(f"{stage}: {mean:.2f} ms"), fill=stage_color(stage), **box))
        if width > 44:
            parts.append(label(x + 6, y + 28, f"{mean:.1f}", class_="inside"))
        start += mean
    parts.append(label(scale(start) + 6, y + 28, f"{start:.1f} ms", class_="tick"))
    return "".join(parts)


def _mean_interval(report: LatencyReport, artefact: ArtefactResult) -> float:
    """T as it was asked for; the frames for each keyframe where these come when they are needed."""
    options, series = report.setup.driver_options, artefact.workloads["frames"]
    if options.get("keyframe_policy", FIXED) != FIXED:
        return len(series.is_keyframe) / sum(map(bool, series.is_keyframe))
    return float(options.get("keyframe_interval") or artefact.facts["keyframe_interval"])


def interval_plot(report: LatencyReport) -> Optional[str]:
    """Amortised frame against the keyframe interval T: the measured T, and an estimate for the others."""
    curves = []
    for artefact, color in zip(report.artefacts, cycle(COLORS)):
        if not _has_samples(artefact, "frames"):
            continue
        series, total = artefact.workloads["frames"], TOTAL["frames"]
        key, others = series.stage(total, True), series.stage(total, False)
        if key.size and others.size:
            interval = _mean_interval(report, artefact)
            curves.append((artefact.name, color, float(key.mean()), float(others.mean()), interval))
    if not curves:
        return None
    top, bottom = 46, 270
    x = Scale(1, max(MAX_INTERVAL, *(curve[-1] for curve in curves)), LEFT, RIGHT)
    y = Scale(0.0, 1.1 * max(key for _, _, key, _, _ in curves), bottom, top)
    parts = [
        legend(LEFT, 18, [(color, name) for name, color, *_ in curves]),
        x_axis(x, top, bottom, "keyframe interval T"),
        y_axis(y, LEFT, RIGHT, "amortised ms a frame"),
    ]
    for name, color, key_ms, other_ms, interval in curves:
        line = [(x(t), y(amortised(key_ms, other_ms, t))) for t in range(1, int(x.high) + 1)]
        parts.append(polyline(line, stroke=color, stroke_width=2, stroke_dasharray="5 4"))
        here = amortised(key_ms, other_ms, interval)
        figures = tip(f"{name}: {here:.2f} ms at T = {interval:g}")
        parts.append(element("circle", figures, cx=x(interval), cy=y(here), r=5.5, fill=color))
    return picture(WIDTH, bottom + 44, "Latency against the keyframe interval", *parts)
