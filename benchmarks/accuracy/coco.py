"""COCO mask AP, by pycocotools itself."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from mobilevis.benchmarks.accuracy.average_precision import average_precision_result
from mobilevis.benchmarks.accuracy.result import AccuracyResult, ProgressBar
from mobilevis.data.coco import load_coco, load_coco_results
from mobilevis.data.datasets import ImageDataset, ImageResult
from mobilevis.runtime import rle
from mobilevis.runtime.errors import missing_extra


def evaluate_coco(
    gt: Path, results: Path, progress: ProgressBar = iter, strict: bool = False
) -> AccuracyResult:
    """Mask AP and AR of a COCO results file.

    A ``bbox`` in a result is not looked at: pycocotools would take the box's area for the mask's.

    Args:
        gt: the annotations.
        results: the results.
        progress: wraps the only step; pycocotools does not say how far it is.
        strict: refuse annotations that would be mended.

    Raises:
        UserError: a file is malformed, or a result is of an unknown image or category.
    """
    dataset = load_coco(gt, strict=strict)
    answers = load_coco_results(results, dataset)
    for _ in progress([answers]):
        precision, recall = _evaluate(dataset, answers)
    curves = {
        category_id: (precision[:, :, index], recall[:, index])
        for index, category_id in enumerate(sorted(dataset.category_by_id))
    }
    counts = {
        "images": len(dataset.images),
        "annotations": len(dataset.annotations),
        "results": len(answers),
    }
    ids = [annotation.id for annotation in dataset.annotations]
    result = average_precision_result("coco", curves, dataset.categories, counts, ids)
    return replace(result, notes=(*result.notes, *dataset.notes))


def _evaluate(dataset: ImageDataset, answers: list[ImageResult]) -> tuple[Any, Any]:
    """pycocotools' precision (T, R, K, A, M) and recall (T, K, A, M), categories by rising id."""
    try:
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise missing_extra("pycocotools", "data") from error
    found = [
        {**vars(answer), "id": index, "area": rle.area(answer.segmentation), "iscrowd": 0}
        for index, answer in enumerate(answers, start=1)
    ]
    truths = [dict(vars(annotation)) for annotation in dataset.annotations]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_index(dataset, truths), _index(dataset, found), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"], evaluation.eval["recall"]


def _index(dataset: ImageDataset, annotations: list[dict[str, Any]]) -> Any:
    from pycocotools.coco import COCO

    index = COCO()
    index.dataset = {
        "images": [vars(image) for image in dataset.images],
        "categories": [vars(category) for category in dataset.categories],
        "annotations": annotations,
    }
    index.createIndex()
    return index
