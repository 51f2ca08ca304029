"""Ratios of two results, with their intervals; unlike measurements are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Optional

import numpy as np

from mobilevis.benchmarks.latency.report.schema import ArtefactResult, LatencyReport, Series, Setup
from mobilevis.benchmarks.latency.report.stats import Ratio, Samples, mean_ratio, paired_ratio, unpaired_ratio
from mobilevis.benchmarks.latency.report.validity import MAX_FREQUENCY_DROP
from mobilevis.benchmarks.latency.worker.job import TOTAL
from mobilevis.runtime.errors import UserError

INTERLEAVED = "rounds of one interleaved run"
SAME_FRAMES = "the same frames of one clip, at different times"
UNPAIRED = "medians of two runs, unpaired"


@dataclass(frozen=True)
class Row:
    """One stage of two results.

    Attributes:
        stage: its name; ``amortised frame`` is the mean over key and other frames.
        first_ms, second_ms: medians, of the amortised frame the means.
        ratio: first over second.
    """

    stage: str
    first_ms: float
    second_ms: float
    ratio: Ratio


@dataclass(frozen=True)
class Comparison:
    """Two results of one kind of workload, stage by stage, the whole step first.

    Attributes:
        first, second: names of the artefacts.
        kind: ``entries`` or ``frames``.
        pairing: what the pairs are.
        warnings: why the results are not like each other.
        doubts: why one of them is not valid.
    """

    first: str
    second: str
    kind: str
    pairing: str
    rows: Sequence[Row]
    warnings: Sequence[str] = ()
    doubts: Sequence[str] = ()


@dataclass(frozen=True)
class _Side:
    setup: Setup
    artefact: ArtefactResult


def compare_reports(
    first: LatencyReport, second: LatencyReport, allow_unlike: bool = False
) -> list[Comparison]:
    """Compare two runs: their only artefacts, or those of the same name.

    Args:
        first: numerators.
        second: denominators.
        allow_unlike: compare across masks, threads, stages, clips and tasks, with a warning for each.

    Raises:
        UserError: the runs have no artefacts to pair, or are unlike.
    """
    pairs = [(a, b) for a in first.artefacts for b in second.artefacts if a.name == b.name] or [
        (a, b) for a in first.artefacts for b in second.artefacts
    ]
    if len(pairs) != 1 and any(a.name != b.name for a, b in pairs):
        raise UserError("the files share no artefact name", fix="give files with one artefact each")
    comparisons = []
    for a, b in pairs:
        one, other = _Side(first.setup, a), _Side(second.setup, b)
        unlike = differences(first.setup, a, second.setup, b)
        if unlike and not allow_unlike:
            raise UserError(
                f"{a.name} and {b.name} are unlike: {'; '.join(unlike)}", fix="--force compares anyway"
            )
        comparisons += _compare(one, other, unlike, interleaved=False)
    return comparisons


def is_comparable(report: LatencyReport) -> bool:
    """Whether the run stepped through several artefacts in turn, to its end."""
    return report.setup.interleaved and len(report.artefacts) > 1 and report.error is None


def compare_within(report: LatencyReport) -> list[Comparison]:
    """Compare the artefacts of one interleaved run with each other, each pair of them.

    Plain models are what ours are compared with: of two of them there is no ratio where ours is beside.

    Raises:
        UserError: the run was not interleaved, or has one artefact only.
    """
    if not report.setup.interleaved or len(report.artefacts) < 2:
        raise UserError(
            "the run holds no interleaved artefacts", fix="run with --interleave, or give two files"
        )
    comparisons = []
    ours = any(not artefact.is_baseline for artefact in report.artefacts)
    for a, b in combinations(report.artefacts, 2):
        if ours and a.is_baseline and b.is_baseline:
            continue
        one, other = _Side(report.setup, a), _Side(report.setup, b)
        # A plain model does another task, by intention.
        unlike = [] if b.is_baseline else differences(one.setup, a, other.setup, b)
        comparisons += _compare(one, other, unlike, interleaved=True)
    return comparisons


def differences(setup_a: Setup, a: ArtefactResult, setup_b: Setup, b: ArtefactResult) -> list[str]:
    """What is unlike about two results: masks, threads, what was timed, stages, clips, tasks."""
    facts: list[tuple[str, Any, Any]] = [
        ("CPUs", setup_a.cpus, setup_b.cpus),
        ("threads", setup_a.threads, setup_b.threads),
        ("task", _task(a), _task(b)),
        ("measured", sorted(a.workloads), sorted(b.workloads)),
    ]
    for kind in sorted(set(a.workloads) & set(b.workloads)):
        stages_a, stages_b = (sorted(x.workloads[kind].milliseconds) for x in (a, b))
        facts.append((f"stages of {kind}", stages_a, stages_b))
    if "frames" in a.workloads and "frames" in b.workloads:
        facts.append(("clip", _clip(setup_a), _clip(setup_b)))
        facts.append(("driver options", dict(setup_a.driver_options), dict(setup_b.driver_options)))
    return [f"{what} {_words(x)} against {_words(y)}" for what, x, y in facts if x != y]


def _task(artefact: ArtefactResult) -> str:
    """What is computed: two artefacts of one driver and input size do the same job."""
    if artefact.is_baseline:
        return "plain model"
    size = "x".join(map(str, artefact.facts.get("input_size") or ()))
    return f"{artefact.facts.get('driver')} {size}"


def _clip(setup: Setup) -> Optional[str]:
    return setup.source["sha256"] if setup.source else None


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _compare(one: _Side, other: _Side, unlike: Sequence[str], interleaved: bool) -> list[Comparison]:
    doubts = [f"{x.name} is not valid: {why}" for x in (one.artefact, other.artefact) for why in x.reasons]
    warnings = list(unlike)
    warnings += [] if interleaved else _changed_speed(one.artefact, other.artefact)
    comparisons = []
    for kind in ("entries", "frames"):
        a, b = one.artefact.workloads.get(kind), other.artefact.workloads.get(kind)
        if a is None or b is None or not len(a.at_s) or not len(b.at_s):
            continue
        same_clip = kind == "frames" and _clip(one.setup) == _clip(other.setup)
        same_options = one.setup.driver_options == other.setup.driver_options
        pairing = INTERLEAVED if interleaved else SAME_FRAMES if same_clip and same_options else UNPAIRED
        rows = _rows(kind, a, b, paired=pairing != UNPAIRED)
        if not rows:
            continue
        comparisons.append(
            Comparison(
                one.artefact.name, other.artefact.name, kind, pairing, rows, tuple(warnings), tuple(doubts)
            )
        )
    return comparisons


def _changed_speed(a: ArtefactResult, b: ArtefactResult) -> list[str]:
    """Whether the device itself was faster in one of two runs, by the fixed piece of work before each."""
    if not (a.before and b.before):
        return []
    ratio = a.before["probe_ms"] / b.before["probe_ms"]
    if abs(ratio - 1) <= MAX_FREQUENCY_DROP:
        return []
    return [f"a fixed piece of work took {ratio:.2f} times as long before the first run as before the second"]


def _rows(kind: str, a: Series, b: Series, paired: bool) -> list[Row]:
    """The whole step first, then its parts; none where the whole has no ratio."""
    total = TOTAL[kind]
    rows: list[Optional[Row]] = []
    if kind == "frames":
        a, b = _in_the_same_rounds(a, b), _in_the_same_rounds(b, a)
        rows += [
            _amortised_row(_taken(a, total), _taken(b, total), paired),
            _row("keyframe", _taken(a, total, True), _taken(b, total, True), paired),
            _row("other frame", _taken(a, total, False), _taken(b, total, False), paired),
        ]
    else:
        rows.append(_row("total", _taken(a, total), _taken(b, total), paired))
    if rows[0] is None:
        return []
    stages = [stage for stage in a.milliseconds if stage != total]
    rows += [_row(stage, _taken(a, stage), _taken(b, stage), paired) for stage in stages]
    return [row for row in rows if row is not None]


def _in_the_same_rounds(series: Series, other: Series) -> Series:
    """A plain model's rounds by what the other side did in them: it has no keyframes of its own."""
    is_plain = all(is_keyframe is None for is_keyframe in series.is_keyframe)
    if not is_plain or len(series.at_s) != len(other.at_s):
        return series
    return replace(series, is_keyframe=other.is_keyframe)


def _taken(series: Series, stage: str, keyframes: Optional[bool] = None) -> tuple[Samples, int]:
    """The samples of a stage and the runs that they come from."""
    return series.stage(stage, keyframes), series.runs(stage, keyframes)


def _amortised_row(one: tuple[Samples, int], other: tuple[Samples, int], paired: bool) -> Optional[Row]:
    (a, runs_a), (b, runs_b) = one, other
    if not a.size or not b.size or not b.mean():
        return None
    n, runs = min(a.size, b.size), min(runs_a, runs_b)
    if paired and runs_a / a.size == runs_b / b.size:  # as many frames a round on both sides
        ratio = mean_ratio(a[:n], b[:n], paired=True, runs=(runs, runs))
    else:
        ratio = mean_ratio(a, b, paired=False, runs=(runs_a, runs_b))
    return Row("amortised frame", float(a.mean()), float(b.mean()), ratio)


def _row(stage: str, one: tuple[Samples, int], other: tuple[Samples, int], paired: bool) -> Optional[Row]:
    """A row of medians; pairs end with the shorter of the two. None where a side lacks the stage, or
    the second one's takes less than its clock can tell: to 0 there is no ratio."""
    (a, runs_a), (b, runs_b) = one, other
    if not a.size or not b.size:
        return None
    n, runs = min(a.size, b.size), (runs_a, runs_b)
    if not (b[:n].min() if paired else np.median(b)):
        return None
    ratio = paired_ratio(a[:n], b[:n], min(runs)) if paired else unpaired_ratio(a, b, runs)
    return Row(stage, float(np.median(a)), float(np.median(b)), ratio)
