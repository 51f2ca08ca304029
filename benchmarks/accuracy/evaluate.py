"""The evaluators by name, and the JSON record of what one measured."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any, Callable, Union

from mobilevis.benchmarks.accuracy.coco import evaluate_coco
from mobilevis.benchmarks.accuracy.result import AccuracyResult, ProgressBar
from mobilevis.benchmarks.accuracy.stq import evaluate_stq
from mobilevis.benchmarks.accuracy.vpq import evaluate_vpq
from mobilevis.benchmarks.accuracy.ytvis import evaluate_ytvis
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import sha256_of

METRICS: dict[str, Callable[[Path, Path, ProgressBar, bool], AccuracyResult]] = {
    "coco": evaluate_coco,
    "stq": evaluate_stq,
    "vpq": evaluate_vpq,
    "ytvis": evaluate_ytvis,
}


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
    if metric not in METRICS:
        raise UserError(f"unknown metric {metric}", fix=f"choose one of {', '.join(METRICS)}")
    return METRICS[metric](Path(gt), Path(results), progress, strict)


def result_record(result: AccuracyResult, gt: Path, results: Path, **more: Any) -> dict[str, Any]:
    """The result as a JSON object that names the files it holds for, and the tools that made it."""
    return {
        **result.to_dict(),
        "dataset": file_facts(gt),
        "results": file_facts(results),
        "tools": tool_versions("mobilevis", "numpy"),
        **more,
    }


def file_facts(path: Path) -> dict[str, str]:
    """Which file a record holds for."""
    return {"file": path.name, "sha256": sha256_of(path)}


def tool_versions(*packages: str) -> dict[str, str]:
    """Package → installed version."""
    return {name: importlib.metadata.version(name) for name in packages}
