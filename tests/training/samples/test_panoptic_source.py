"""A panoptic set as frames to train on."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.vipseg import id_colors
from mobilevis.training.build import create_network
from mobilevis.training.config import ModelConfig
from mobilevis.training.samples.config import DataConfig
from mobilevis.training.samples.sources import open_source

PERSON, CROWD, SKY = 901, 902, 4


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    """One frame: a person beside a crowd, under the sky."""
    ids = np.zeros((8, 12), dtype=np.int32)
    ids[:4], ids[4:, :3], ids[4:, 3:5] = SKY, PERSON, CROWD
    for folder in ("panomasksRGB", "images"):
        (tmp_path / folder / "walk").mkdir(parents=True)
    png = tmp_path / "panomasksRGB" / "walk" / "00000.png"
    cv2.imwrite(str(png), cv2.cvtColor(id_colors(ids), cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(tmp_path / "images" / "walk" / "00000.jpg"), np.full((8, 12, 3), 90, dtype=np.uint8))
    segments = [
        {"id": PERSON, "category_id": 9, "iscrowd": 0},
        {"id": CROWD, "category_id": 9, "iscrowd": 1},
        {"id": SKY, "category_id": 4, "iscrowd": 0},
    ]
    document = {
        "categories": [{"id": 9, "name": "person", "isthing": 1}, {"id": 4, "name": "sky", "isthing": 0}],
        "videos": [{"video_id": "walk", "images": [{"file_name": "00000.png"}]}],
        "annotations": [
            {"video_id": "walk", "annotations": [{"file_name": "00000.png", "segments_info": segments}]}
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(document))
    return DataConfig("vipseg", str(tmp_path / "truth.json"), str(tmp_path / "images"), 1, canvas=(64, 64))


def test_things_and_stuff_are_segments_and_crowds_are_void(config):
    source = open_source(config)
    frame = source.read(0, 0)
    assert [info.name for info in source.classes] == ["sky", "person"]
    assert sorted(zip(frame.identities.tolist(), frame.labels.tolist())) == [(SKY, 0), (PERSON, 1)]
    assert {i: int(m.sum()) for i, m in zip(frame.identities, frame.masks)} == {SKY: 48, PERSON: 12}
    assert source.lengths == [1]


def test_the_model_learns_which_classes_are_stuff(config):
    source = open_source(config)
    assert source.stuff_classes == (0,)
    model, _ = create_network(ModelConfig("maxtron-vps-tiny"), len(source.classes), source.stuff_classes)
    assert model.streaming((64, 64)).driver_options["stuff_classes"] == [0]


def test_a_model_of_instances_refuses_a_set_with_stuff(config):
    with pytest.raises(UserError, match="stuff_classes"):
        create_network(ModelConfig("maxtron-vis-tiny"), 2, open_source(config).stuff_classes)


def test_a_frame_without_its_map_is_named(config):
    png = Path(config.annotations).parent / "panomasksRGB" / "walk" / "00000.png"
    source = open_source(config)
    png.unlink()
    with pytest.raises(UserError, match="cannot read"):
        source.read(0, 0)
