"""Keyframes when they are needed, beside keyframes every T frames, from docs/results/keyframes.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Optional

import numpy as np

from .records import DOCS, RESULTS, format_header, format_row, read_record

RECORD = RESULTS / "keyframes.json"
PLOT = DOCS / "keyframes.png"
POLICIES = ("fixed", "drift")

Points = list[dict[str, float]]
Curves = dict[str, dict[str, Points]]


def curves(model: str) -> Curves:
    """Set → policy → a point for each T, by falling rate: ``interval``, ``rate`` and figures in percent."""
    found: Curves = read_record(RECORD)["models"][model]["sets"]
    return found


def keyframe_table(model: str, figure: str, *names: str) -> str:
    """A figure of the sets at each T, with the keyframes' share of the frames, and ``drift``'s mean distance
    from ``fixed``."""
    lines = {(name, policy): curves(model)[name][policy] for name in names for policy in POLICIES}
    intervals = _intervals(lines.values())
    rows = []
    for (name, policy), points in lines.items():
        fixed = lines[name, POLICIES[0]]
        margin = "" if points is fixed else f"{_margin(points, fixed, figure):+.1f}"
        rows.append(format_row(name, f"`{policy}`", *_cells(points, intervals, figure), margin))
    return format_header("set", "policy", *(f"T = {t}" for t in intervals), "over `fixed`") + "".join(rows)


def left_out_table(model: str, figure: str, name: str) -> str:
    """A figure at each T of what was tried in place of ``drift``, and its mean distance from ``fixed``."""
    fixed, drift = (curves(model)[name][policy] for policy in POLICIES)
    tried: dict[str, Points] = read_record(RECORD)["models"][model]["left_out"][name]
    lines = {"`drift`": drift, **tried}
    intervals = _intervals(lines.values())
    rows = [
        format_row(line, *_cells(points, intervals, figure), f"{_margin(points, fixed, figure):+.1f}")
        for line, points in lines.items()
    ]
    return format_header("keyframes by", *(f"T = {t}" for t in intervals), "over `fixed`") + "".join(rows)


def _margin(points: Points, reference: Points, figure: str) -> float:
    """Mean distance of a figure from a curve at the same rates, linear between its points."""
    rates, figures = zip(*sorted((point["rate"], point[figure]) for point in reference))
    return float(np.mean([point[figure] - np.interp(point["rate"], rates, figures) for point in points]))


def _intervals(lines: Iterable[Points]) -> list[int]:
    return sorted({int(point["interval"]) for points in lines for point in points})


def _cells(points: Points, intervals: Sequence[int], figure: str) -> list[str]:
    by_interval = {int(point["interval"]): point for point in points}
    return [_cell(by_interval.get(t), figure) for t in intervals]


def _cell(point: Optional[dict[str, float]], figure: str) -> str:
    return "–" if point is None else f"{point[figure]:.1f} at {point['rate']:.3f}"


def draw_keyframes(path: Path) -> None:
    """Plot figures against the keyframes' share; the picture carries its data as text."""
    from matplotlib.figure import Figure

    drawn = plotted()
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, (title, policies) in zip(figure.subplots(1, len(drawn)), drawn.items()):
        for policy, points in policies.items():
            axes.plot(*zip(*points), marker="o", label=policy)
        axes.set(xlabel="keyframes / frames", ylabel=title)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120, metadata={"Description": json.dumps(drawn)})


def plotted() -> dict[str, dict[str, list[list[float]]]]:
    """What the plot shows: title → policy → (rate, figure), by rising rate."""
    shown = {"AP of the larger set, kernels": ("mobileinst-topformer-tiny-synth", "larger", "AP")}
    shown["J of the mixed set, dense kernels"] = ("mobileinst-yolox-nano", "mixed", "J")
    return {
        title: {
            policy: sorted([point["rate"], point[figure]] for point in points)
            for policy, points in curves(model)[name].items()
        }
        for title, (model, name, figure) in shown.items()
    }
