"""The evaluators on files: the references' figures, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mobilevis.benchmarks.accuracy.average_precision import FIGURES
from mobilevis.benchmarks.accuracy.evaluate import evaluate, result_record
from mobilevis.benchmarks.accuracy.metrics import METRICS
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import sha256_of

from . import random_panoptic, random_videos

REFERENCES = json.loads((Path(__file__).parent / "references.json").read_text())
SEEDS = list(REFERENCES["ytvis"])


def save(folder: Path, truth: Any, results: Any) -> tuple[Path, Path]:
    gt, answer = folder / "gt.json", folder / "results.json"
    gt.write_text(json.dumps(truth))
    answer.write_text(json.dumps(results))
    return gt, answer


def as_images(truth: Any, results: Any) -> tuple[Any, Any]:
    """The first frame of each video as a COCO data set."""

    def still(record: Any) -> Any:
        kept = {
            key: value for key, value in record.items() if key in ("id", "category_id", "iscrowd", "score")
        }
        return {**kept, "image_id": record["video_id"], "segmentation": record["segmentations"][0]}

    images = [
        {"id": v["id"], "file_name": f"{v['id']}.jpg", "height": v["height"], "width": v["width"]}
        for v in truth["videos"]
    ]
    annotations = [
        {**still(a), "area": a["areas"][0], "bbox": [0, 0, 1, 1]}
        for a in truth["annotations"]
        if a["segmentations"][0]
    ]
    found = [still(r) for r in results if r["segmentations"][0]]
    return {"images": images, "categories": truth["categories"], "annotations": annotations}, found


@pytest.mark.parametrize("seed", SEEDS)
def test_ytvis_figures_are_the_references(tmp_path: Path, seed: str) -> None:
    result = evaluate("ytvis", *save(tmp_path, *random_videos.make(int(seed))))
    assert result.metrics == pytest.approx(REFERENCES["ytvis"][seed], abs=1e-12)


@pytest.mark.parametrize("metric", ["vpq", "stq"])
@pytest.mark.parametrize("seed", SEEDS)
def test_panoptic_figures_are_the_references(tmp_path: Path, metric: str, seed: str) -> None:
    result = evaluate(metric, *random_panoptic.write(tmp_path, int(seed)))
    assert result.metrics == pytest.approx(REFERENCES[metric][seed], abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_coco_figures_are_those_that_pycocotools_prints(tmp_path: Path, seed: str) -> None:
    gt, answer = save(tmp_path, *as_images(*random_videos.make(int(seed))))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(gt))
        reference = COCOeval(truth, truth.loadRes(str(answer)), "segm")
        reference.evaluate()
        reference.accumulate()
        reference.summarize()
    got = evaluate("coco", gt, answer)
    assert got.metrics == pytest.approx(dict(zip(FIGURES, reference.stats)), abs=1e-12)


@pytest.fixture
def videos() -> tuple[Any, Any]:
    """Annotations, and results that repeat them with score 1, the longest first."""
    truth, _ = random_videos.make(2)
    for annotation in truth["annotations"]:
        annotation["iscrowd"] = 0
    truth["annotations"] = [a for a in truth["annotations"] if any(a["areas"])]
    keys = ("video_id", "category_id", "segmentations")
    results = [{**{key: a[key] for key in keys}, "score": 1.0} for a in truth["annotations"]]
    return truth, sorted(results, key=lambda result: -len(result["segmentations"]))


def test_the_truth_as_answer_scores_one(tmp_path: Path, videos: tuple[Any, Any]) -> None:
    result = evaluate("ytvis", *save(tmp_path, *videos))
    assert result.metrics["AP"] == pytest.approx(1.0)
    assert all(c.metrics["AP"] in (-1.0, pytest.approx(1.0)) for c in result.per_class)


def test_no_answer_scores_zero(tmp_path: Path, videos: tuple[Any, Any]) -> None:
    assert evaluate("ytvis", *save(tmp_path, videos[0], [])).metrics["AP"] == 0.0
    assert evaluate("coco", *save(tmp_path, as_images(*videos)[0], [])).metrics["AP"] == 0.0


def test_coco_takes_the_area_of_the_mask_and_not_of_a_box(tmp_path: Path, videos: tuple[Any, Any]) -> None:
    truth, found = as_images(*videos)
    plain = evaluate("coco", *save(tmp_path, truth, found))
    boxed = evaluate("coco", *save(tmp_path, truth, [{**record, "bbox": [0, 0, 2, 2]} for record in found]))
    assert boxed.metrics == plain.metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r.update(segmentations=r["segmentations"][:1]),
            r"results\[0\].*segmentations has 1 items",
        ),
        (lambda r: r.update(segmentations=r["segmentations"] + [None]), r"results\[0\].*items, not"),
        (lambda r: r.update(video_id=999), r"results\[0\].*video_id 999 is unknown"),
        (lambda r: r.update(category_id=999), r"results\[0\].*category_id 999 is unknown"),
        (lambda r: r.update(score="high"), r"results\[0\].*score 'high' is not a number"),
    ],
)
def test_a_bad_result_is_refused_by_record(
    tmp_path: Path, videos: tuple[Any, Any], change: Callable[[Any], object], message: str
) -> None:
    """The reference scores the first of these, an answer of one frame, as a perfect one."""
    truth, results = videos
    change(results[0])
    with pytest.raises(UserError, match=message):
        evaluate("ytvis", *save(tmp_path, truth, results))


def test_an_unknown_metric_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="coco, neighbours, stq, vpq, ytvis"):
        evaluate("map", tmp_path / "gt.json", tmp_path / "results.json")


@pytest.mark.parametrize("metric", METRICS)
def test_a_missing_file_is_named(tmp_path: Path, metric: str) -> None:
    with pytest.raises(UserError, match=r"gt\.json"):
        evaluate(metric, tmp_path / "gt.json", tmp_path / "results.json")


def test_the_record_is_json_and_names_its_files(tmp_path: Path, videos: tuple[Any, Any]) -> None:
    gt, answer = save(tmp_path, *videos)
    result = evaluate("ytvis", gt, answer)
    record = json.loads(json.dumps(result_record(result, gt, answer, engine="onnxruntime"), allow_nan=False))
    assert record["schema"] == 1
    assert record["metrics"] == result.metrics
    assert record["dataset"] == {"file": "gt.json", "sha256": sha256_of(gt)}
    assert record["results"]["sha256"] == sha256_of(answer)
    assert record["engine"] == "onnxruntime"


def test_annotation_id_zero_is_noted(tmp_path: Path, videos: tuple[Any, Any]) -> None:
    truth, results = videos
    truth["annotations"][0]["id"] = 0
    assert "id 0" in evaluate("ytvis", *save(tmp_path, truth, results)).notes[0]
