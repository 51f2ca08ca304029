"""Files that a user may give: a damaged one is read or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mobilevis.benchmarks.latency.report.schema import load_report
from mobilevis.data.coco import load_coco, load_coco_results
from mobilevis.data.images import read_image
from mobilevis.data.vipseg import load_truth, read_ids
from mobilevis.data.ytvis import load_ytvis, load_ytvis_results
from mobilevis.models.weights.tensor_files import read_safetensors, read_tensors
from mobilevis.runtime.metadata import parse_metadata
from mobilevis.runtime.sources import open_source
from mobilevis.training.config import load_config
from tests.benchmarks.latency.samples import report
from tests.runtime.test_digests import metadata

from .conftest import Trial
from .mutations import Random, mutate_bytes, mutate_json, mutate_text

pytestmark = pytest.mark.fuzz

RLE = {"size": [8, 8], "counts": [10, 20, 34]}
POLYGON = [[1.0, 1.0, 6.0, 1.0, 6.0, 6.0]]
CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}]
SIZE = {"height": 8, "width": 8}
COCO = {
    "categories": CATEGORIES,
    "images": [{"id": 5, "file_name": "a.png", **SIZE}],
    "annotations": [
        {
            "id": 1,
            "image_id": 5,
            "category_id": 1,
            "segmentation": RLE,
            "area": 20,
            "bbox": [1, 1, 3, 8],
            "iscrowd": 1,
        },
        {
            "id": 2,
            "image_id": 5,
            "category_id": 3,
            "segmentation": POLYGON,
            "area": 12.5,
            "bbox": [1, 1, 5, 5],
        },
    ],
}
COCO_RESULTS = [{"image_id": 5, "category_id": 1, "score": 0.5, "segmentation": RLE}]
YTVIS = {
    "categories": CATEGORIES,
    "videos": [{"id": 4, **SIZE, "file_names": ["v/0.png", "v/1.png"], "length": 2}],
    "annotations": [
        {
            "id": 1,
            "video_id": 4,
            "category_id": 1,
            "segmentations": [RLE, None],
            "areas": [20, None],
            "iscrowd": 0,
        }
    ],
}
YTVIS_RESULTS = [{"video_id": 4, "category_id": 1, "score": 0.5, "segmentations": [RLE, None]}]
VIPSEG = {
    "categories": [{"id": 0, "name": "wall", "isthing": 0}, {"id": 7, "name": "cat", "isthing": 1}],
    "videos": [{"video_id": "v", "images": [{"file_name": "0.jpg", "id": "0"}]}],
    "annotations": [
        {
            "video_id": "v",
            "annotations": [
                {
                    "file_name": "0.png",
                    "segments_info": [{"id": 1, "category_id": 7, "iscrowd": 0, "area": 4}],
                }
            ],
        }
    ],
}
TOML = """
[model]
name = "mobileinst-topformer-tiny"
options = { num_queries = 10, drop_path = 0.0 }
[data]
format = "youtube-vis"
annotations = "instances.json"
images = "JPEGImages"
batch_size = 2
canvas = [64, 64]
[optimizer]
ema_decay = 0.9
[schedule]
iterations = 10
[run]
output = "runs/x"
threads = 1
"""

JSON_READERS: dict[str, tuple[Any, Callable[[Path, Path], object], int]] = {
    "coco": (COCO, lambda path, _: load_coco(path), 200),
    "coco results": (COCO_RESULTS, lambda path, whole: load_coco_results(path, load_coco(whole)), 120),
    "youtube-vis": (YTVIS, lambda path, _: load_ytvis(path), 200),
    "youtube-vis results": (
        YTVIS_RESULTS,
        lambda path, whole: load_ytvis_results(path, load_ytvis(whole)),
        120,
    ),
    "vipseg": (VIPSEG, lambda path, _: load_truth(path), 150),
    "latency report": (json.loads(report().to_json()), lambda path, _: load_report(path), 100),
}
TRUTHS = {"coco results": COCO, "youtube-vis results": YTVIS}


@pytest.mark.parametrize("name", JSON_READERS)
def test_a_damaged_json_file(name: str, chance: Random, trial: Trial, tmp_path: Path) -> None:
    seed, read, count = JSON_READERS[name]
    path, truth = tmp_path / "x.json", tmp_path / "truth.json"
    truth.write_text(json.dumps(TRUTHS.get(name, seed)))
    path.write_text(json.dumps(seed))
    assert trial.run("whole", lambda: read(path, truth)), trial.faults
    for _ in range(count):
        data = mutate_json(seed, chance)
        path.write_bytes(data)
        trial.run(repr(data[:400]), lambda: read(path, truth))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_a_damaged_image(suffix: str, chance: Random, trial: Trial, tmp_path: Path) -> None:
    path = tmp_path / f"0{suffix}"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    whole = path.read_bytes()
    for _ in range(30):
        path.write_bytes(mutate_bytes(whole, chance))
        trial.run(f"read_image {suffix}", lambda: read_image(path, (24, 32)))
        trial.run(f"open_source {suffix}", lambda: list(open_source(str(path))))
        if suffix == ".png":
            trial.run("read_ids", lambda: read_ids(path))


def test_a_damaged_recipe(chance: Random, trial: Trial, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(TOML)
    assert trial.run("whole", lambda: load_config(str(path))), trial.faults
    for _ in range(150):
        text = mutate_text(TOML, chance)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        trial.run(repr(text[:600]), lambda: load_config(str(path)))


@pytest.mark.parametrize("read", [read_safetensors, read_tensors])
def test_damaged_weights(
    read: Callable[[Path], object], chance: Random, trial: Trial, tmp_path: Path
) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a.weight": torch.ones(4, 3), "b": torch.zeros(2)}, path, metadata={"mobilevis": "{}"})
    whole = path.read_bytes()
    for _ in range(80):
        path.write_bytes(mutate_bytes(whole, chance))
        trial.run("safetensors", lambda: read(path))


def test_damaged_metadata(chance: Random, trial: Trial) -> None:
    seed = json.loads(metadata(file="0" * 64).to_json())
    for _ in range(200):
        text = mutate_json(seed, chance).decode("utf-8", "replace")
        trial.run(text[:600], parse_metadata, text, "x")
