"""Evaluate results by a metric's name, and the JSON record of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Union

from mobilevis.benchmarks.accuracy.metrics import find_metric
from mobilevis.benchmarks.accuracy.result import AccuracyResult, ProgressBar
from mobilevis.runtime.files import sha256_of
from mobilevis.runtime.versions import tool_versions


def evaluate(
    metric: str,
    gt: Union[str, Path],
    results: Union[str, Path],
    progress: ProgressBar = iter,
    strict: bool = False,
) -> AccuracyResult:
    """Hold results against the ground truth.

    Args:
        metric: a name in ``METRICS``.
        gt: annotations in the metric's format.
        results: results in the metric's submission format.
        progress: wraps the longest loop, for a progress bar.
        strict: refuse annotations that are read in part otherwise, as the result's notes then say.

    Raises:
        UserError: the metric is unknown, a file is malformed, or the two do not belong together.
    """
    result: AccuracyResult = find_metric(metric).evaluate(Path(gt), Path(results), progress, strict)
    return result


def result_record(result: AccuracyResult, gt: Path, results: Path, **more: Any) -> dict[str, Any]:
    """The result as a JSON object that names the files it holds for, and the tools that made it."""
    return {
        **result.to_dict(),
        "dataset": file_facts(gt),
        "results": file_facts(results),
        "tools": tool_versions(["mobilevis", "numpy"]),
        **more,
    }


def file_facts(path: Path) -> dict[str, str]:
    """Which file a record holds for."""
    return {"file": path.name, "sha256": sha256_of(path)}
