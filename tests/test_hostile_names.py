"""What a user or a file names may be a pipe, a device or no name at all: each reader says so in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
from safetensors.numpy import save_file

from mobilevis.data.coco import load_coco
from mobilevis.data.contact_sheet import contact_sheet
from mobilevis.models.weights.checkpoint import METADATA_KEY, load_checkpoint
from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.sources import open_source
from mobilevis.training.build import require_start
from mobilevis.training.config import ModelConfig, load_config

READERS: dict[str, Callable[[Path], object]] = {
    ".safetensors": load_checkpoint,
    ".toml": load_config,
    ".json": contact_sheet,
    ".pte": load_artefact,
    ".tflite": load_artefact,
    ".mp4": lambda path: next(iter(open_source(path))),
    ".pth": lambda path: require_start(ModelConfig("mobileinst-topformer-tiny", checkpoint=str(path))),
}
ENDLESS = [suffix for suffix in READERS if suffix not in (".mp4", ".pth")]  # a video may come from a pipe


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "[/b]", "folder/" * 800], ids=ascii)
def test_a_name_that_no_file_has_is_refused(suffix: str, name: str) -> None:
    with pytest.raises(UserError):
        READERS[suffix](Path(name + suffix))


@pytest.mark.parametrize("suffix", ENDLESS)
def test_a_pipe_a_device_and_a_loop_are_refused(suffix: str, tmp_path: Path) -> None:
    pipe, device, loop = (tmp_path / f"{name}{suffix}" for name in ("pipe", "device", "loop"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    loop.symlink_to(loop)
    for path in (pipe, device, loop):
        with pytest.raises(UserError):
            READERS[suffix](path)


def test_an_export_whose_file_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "encode.onnx")
    with pytest.raises(UserError, match="no regular file"):
        load_artefact(tmp_path)


def test_a_set_that_names_an_image_of_300_letters_is_refused(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "x" * 300 + ".png", "height": 4, "width": 4}
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"images": [image], "categories": [{"id": 1, "name": "a"}]}))
    with pytest.raises(UserError, match="is missing"):
        load_coco(path, tmp_path)
    with pytest.raises(UserError, match="not found"):
        contact_sheet(path)


@pytest.mark.parametrize("text", ["model = 7", "model = [1]", "data = 3", "extends = 7", "run = 'x'"])
def test_a_table_that_is_a_value_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(UserError):
        load_config(tmp_path / "x.toml")


def test_a_checkpoint_whose_class_has_an_infinite_id_is_refused(tmp_path: Path) -> None:
    about = {
        "schema": 1,
        "name": "x",
        "config": {},
        "classes": [{"id": float("inf"), "name": "a"}],
        "record": {},
    }
    path = tmp_path / "x.safetensors"
    save_file({"a": np.zeros(3, np.float32)}, path, metadata={METADATA_KEY: json.dumps(about)})
    with pytest.raises(UserError, match="broken checkpoint metadata"):
        load_checkpoint(path)
