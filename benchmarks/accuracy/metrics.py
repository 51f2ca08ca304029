"""The metrics by name; choices, help and error lists are made from these.

Functions are named, not imported, so that the command line can list the metrics without NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, Optional

from mobilevis.runtime.errors import unknown_name

AP_FIGURES = ("AP", "AP50", "AP75", "AR1", "AR10")  # what COCO and YouTube-VIS tables quote


@dataclass(frozen=True)
class Metric:
    """How one metric is measured.

    Attributes:
        annotations: the format of its annotations, in words.
        evaluator: ``module:function``, (annotations, results, progress, strict) → ``AccuracyResult``.
        predictor: ``module:function``, (segmenter, annotations, images, results, progress), which writes the
            results that the evaluator reads.
        score_threshold: least score of a measured instance; None leaves the driver's own.
        is_panoptic: annotations and results have PNGs beside them.
        headline: the figures that are printed; empty for all.
    """

    annotations: str
    evaluator: str
    predictor: str
    score_threshold: Optional[float] = None
    is_panoptic: bool = False
    headline: tuple[str, ...] = ()

    def evaluate(self, *arguments: Any) -> Any:
        """Call the evaluator."""
        return resolve_name(self.evaluator)(*arguments)

    def predict(self, *arguments: Any) -> None:
        """Call the predictor."""
        resolve_name(self.predictor)(*arguments)


# Recall counts for AP: a viewer would not want to see instances of so low a score.
AP_SCORE_THRESHOLD = 0.05
_HERE = "mobilevis.benchmarks.accuracy"
METRICS = {
    "coco": Metric(
        "COCO",
        f"{_HERE}.coco:evaluate_coco",
        f"{_HERE}.run:predict_coco",
        AP_SCORE_THRESHOLD,
        headline=AP_FIGURES,
    ),
    # What a viewer is shown: the driver's own threshold.
    "neighbours": Metric("COCO", f"{_HERE}.neighbours:evaluate_neighbours", f"{_HERE}.run:predict_coco"),
    "stq": Metric("VIPSeg", f"{_HERE}.stq:evaluate_stq", f"{_HERE}.run:predict_panoptic", is_panoptic=True),
    "vpq": Metric("VIPSeg", f"{_HERE}.vpq:evaluate_vpq", f"{_HERE}.run:predict_panoptic", is_panoptic=True),
    "ytvis": Metric(
        "YouTube-VIS",
        f"{_HERE}.ytvis:evaluate_ytvis",
        f"{_HERE}.run:predict_ytvis",
        AP_SCORE_THRESHOLD,
        headline=AP_FIGURES,
    ),
}


def find_metric(name: str) -> Metric:
    """A metric by name.

    Raises:
        UserError: there is none of this name; lists those there are.
    """
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]
