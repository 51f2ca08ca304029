"""Latency over time, a plot for each artefact, all on one scale: the eye may compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Optional

import numpy as np

from mobilevis.benchmarks.latency.report.plots import COLORS, LEFT, RIGHT, WIDTH, main_kind
from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, Series
from mobilevis.benchmarks.latency.report.stats import Samples
from mobilevis.benchmarks.latency.report.svg import Scale, element, label, picture, polyline, x_axis, y_axis
from mobilevis.benchmarks.latency.worker.job import TOTAL

MAX_POINTS = 1500
TOP, BOTTOM = 34, 250
END = RIGHT - 30  # the temperatures' scale stands right of it


def time_plots(report: LatencyReport) -> list[tuple[str, str]]:
    """Every sample over the run with its running median, and the hottest thermal zone on its own scale.

    Returns:
        Name of the artefact and its plot, of those that have samples; seconds, milliseconds and degrees have
        the same scale in all of them.
    """
    measured = [
        (artefact, kind, color)
        for artefact, color in zip(report.artefacts, cycle(COLORS))
        if (kind := main_kind(artefact)) is not None
    ]
    if not measured:
        return []
    all_series = [(kind, artefact.workloads[kind]) for artefact, kind, _ in measured]
    x = Scale(0.0, max(series.at_s[-1] - series.at_s[0] for _, series in all_series), LEFT, END)
    slowest = max(float(np.percentile(series.stage(TOTAL[kind]), 99)) for kind, series in all_series)
    y = Scale(0.0, 1.08 * slowest, BOTTOM, TOP)
    degrees = [value for artefact, _, _ in measured for _, value in _hottest(artefact.readings)]
    heat = Scale(min(degrees) - 5, max(degrees) + 5, BOTTOM, TOP) if degrees else None
    return [(artefact.name, _plot(artefact, kind, color, x, y, heat)) for artefact, kind, color in measured]


def _plot(artefact: ArtefactResult, kind: str, color: str, x: Scale, y: Scale, heat: Optional[Scale]) -> str:
    series = artefact.workloads[kind]
    seconds = np.asarray(series.at_s) - series.at_s[0]
    values = series.stage(TOTAL[kind])
    parts = [x_axis(x, TOP, BOTTOM, "seconds since its measurement began"), y_axis(y, LEFT, END, "ms")]
    parts += _points(series, seconds, values, x, y, color)
    parts.append(polyline(_running_median(seconds, values, x, y), stroke=color, stroke_width=2))
    hottest = [(at - series.at_s[0], degrees) for at, degrees in _hottest(artefact.readings)]
    parts += _temperature(hottest, x, heat)
    return picture(WIDTH, BOTTOM + 44, f"Latency over time of {artefact.name}", *parts)


def _points(series: Series, seconds: Samples, values: Samples, x: Scale, y: Scale, color: str) -> list[str]:
    keep = slice(None, None, max(1, len(values) // MAX_POINTS))
    return [
        element("circle", cx=x(at), cy=y(value), r=2.4 if is_keyframe else 1.5, fill=color, fill_opacity=0.4)
        for at, value, is_keyframe in zip(seconds[keep], values[keep], series.is_keyframe[keep])
        if value <= y.high
    ]


def _running_median(seconds: Samples, values: Samples, x: Scale, y: Scale) -> list[tuple[float, float]]:
    parts = min(80, max(1, values.size // 9))
    return [
        (x(float(np.median(at))), y(min(y.high, float(np.median(chunk)))))
        for at, chunk in zip(np.array_split(seconds, parts), np.array_split(values, parts))
    ]


def _hottest(readings: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """(seconds since the worker began, °C of the hottest zone)."""
    return [
        (float(reading["at_s"]), max(reading["temperatures_c"].values()))
        for reading in readings
        if reading["temperatures_c"]
    ]


def _temperature(hottest: Sequence[tuple[float, float]], x: Scale, heat: Optional[Scale]) -> list[str]:
    shown = [(at, degrees) for at, degrees in hottest if x.low <= at <= x.high]
    if heat is None or not shown:
        return [label(END, TOP - 12, "temperature not measured", class_="caption", text_anchor="end")]
    line = [(x(at), heat(degrees)) for at, degrees in shown]
    parts = [polyline(line, class_="heat", stroke_width=1.6)]
    for value in heat.ticks(4):
        parts.append(label(END + 6, heat(value) + 4, f"{value:g}°", class_="heat-tick"))
    parts.append(label(RIGHT, TOP - 12, "hottest zone, °C", class_="heat-tick", text_anchor="end"))
    return parts
