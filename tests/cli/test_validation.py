"""``[validation]`` of ``mobilevis train``: figures, a sheet, and a wrong set refused in advance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mobilevis.cli.validation import MEASURES, HeldOutSet
from mobilevis.data.images import write_png
from mobilevis.models.entries import StreamingModel
from mobilevis.models.registry import create_model
from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.config import TrainConfig, ValidationConfig, load_config
from mobilevis.training.samples.config import DATA_FORMATS

CLASSES = [Category(4, "red"), Category(9, "green")]
SIZE = (60, 120)


@pytest.fixture(scope="module")
def model() -> StreamingModel:
    torch.manual_seed(0)
    return create_model("mobileinst-topformer-tiny", num_classes=2, num_queries=6, dim=32, heads=4).eval()


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three noisy pictures with a red square each: COCO annotations, and as a video those of YouTube-VIS."""
    folder = tmp_path_factory.mktemp("held out")
    chance = np.random.default_rng(0)
    mask = np.zeros(SIZE, dtype=bool)
    mask[20:44, 30:70] = True
    names = [f"{number}.png" for number in range(3)]
    for name in names:
        picture = chance.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        picture[mask] = (220, 30, 30)
        write_png(folder / "images" / name, picture)
    categories = [vars(category) for category in CLASSES]
    size = {"height": SIZE[0], "width": SIZE[1]}
    found = {"category_id": 4, "iscrowd": 0}
    images = [{"id": i, "file_name": name, **size} for i, name in enumerate(names, 1)]
    stills = [
        {
            "id": i,
            "image_id": i,
            "segmentation": rle.encode(mask),
            "bbox": [30, 20, 40, 24],
            "area": 960,
            **found,
        }
        for i in (1, 2, 3)
    ]
    video = {"id": 1, "length": 3, "file_names": names, **size}
    track = {"id": 1, "video_id": 1, "segmentations": [rle.encode(mask)] * 3, **found}
    coco = {"images": images, "categories": categories, "annotations": stills}
    (folder / "coco.json").write_text(json.dumps(coco))
    ytvis = {"videos": [video], "categories": categories, "annotations": [track]}
    (folder / "youtube-vis.json").write_text(json.dumps(ytvis))
    return folder


@pytest.fixture
def config(tmp_path: Path, held_out: Path) -> TrainConfig:
    """Stills of the held-out set; random scores start no track by appearance, and lie below 0.05."""
    path = tmp_path / "run.toml"
    path.write_text(
        f"""
[model]
name = "mobileinst-topformer-tiny"
[data]
format = "coco"
annotations = "train.json"
images = "train"
batch_size = 2
canvas = [64, 128]
[schedule]
iterations = 10
[run]
output = "run"
[validation]
annotations = "{held_out}/coco.json"
images = "{held_out}/images"
options = {{ association = "slots", score_threshold = 0.0 }}
sheet_score = 0.0
sheet_size = 3
"""
    )
    return load_config(path)


@pytest.mark.parametrize("form", ["coco", "youtube-vis"])
def test_a_held_out_set_is_measured_and_drawn(
    form: str, config: TrainConfig, model: StreamingModel, held_out: Path, tmp_path: Path
) -> None:
    table = replace(config.validation, format=form, annotations=str(held_out / f"{form}.json"))
    measured = HeldOutSet(replace(config, validation=table))
    measured.check(model, CLASSES)
    seen: list[object] = []
    sheet = tmp_path / "sheets" / "0000010.png"
    figures = measured.measure(model, CLASSES, sheet, lambda items: seen.extend(items) or items)
    assert list(figures)[:3] == ["AP", "AP50", "AP75"]
    assert all(0 <= value <= 1 for value in figures.values())
    assert seen
    picture = cv2.imread(str(sheet))
    assert picture.shape[1] > 3 * 320
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotations": "no-such.json"}, "no-such.json"),
        ({"images": "no-such"}, r"the image is missing \(no-such/0.png\)"),
        ({"input_size": (60, 128)}, r"multiple of .*validation\.input_size"),
        ({"options": {"score_treshold": 0.1}}, "score_treshold"),
        ({"options": {"score_threshold": 7}}, "thresholds are probabilities"),
        ({"format": "youtube-vis"}, "coco.json"),
    ],
)
def test_a_wrong_table_is_refused_before_any_training(
    change: dict[str, object], message: str, config: TrainConfig, model: StreamingModel
) -> None:
    table = replace(config.validation, **change)
    with pytest.raises(UserError, match=message):
        HeldOutSet(replace(config, validation=table)).check(model, CLASSES)


def test_other_classes_and_an_empty_set_are_refused(
    config: TrainConfig, model: StreamingModel, held_out: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="class 9 is blue; the data set calls category 9 green"):
        HeldOutSet(config).check(model, [CLASSES[0], Category(9, "blue")])
    empty = tmp_path / "empty.json"
    content = json.loads((held_out / "coco.json").read_text())
    empty.write_text(json.dumps({**content, "annotations": []}))
    table = replace(config.validation, annotations=str(empty))
    with pytest.raises(UserError, match="nothing to find"):
        HeldOutSet(replace(config, validation=table)).check(model, CLASSES)


def test_annotations_that_would_be_mended_are_refused_when_asked(
    config: TrainConfig, model: StreamingModel, held_out: Path, tmp_path: Path
) -> None:
    content = json.loads((held_out / "coco.json").read_text())
    content["annotations"][0]["area"] = None
    (tmp_path / "null.json").write_text(json.dumps(content))
    table = replace(config.validation, annotations=str(tmp_path / "null.json"))
    HeldOutSet(replace(config, validation=table)).check(model, CLASSES)
    with pytest.raises(UserError, match="area"):
        HeldOutSet(replace(config, validation=table), strict=True).check(model, CLASSES)


def test_every_format_of_training_can_be_validated() -> None:
    assert MEASURES.keys() == set(DATA_FORMATS)
    assert ValidationConfig().enabled is False
