"""A small set of moving squares on disk, and a small network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mobilevis.data.datasets import Track, Video, VideoDataset
from mobilevis.data.ytvis import save_ytvis
from mobilevis.models.mobileinst.mobileinst import MobileInst
from mobilevis.models.registry import create_model
from mobilevis.runtime import rle
from mobilevis.runtime.categories import Category
from mobilevis.training.config import TrainConfig, load_config

SIZE = (60, 120)
FRAMES = 3


def square(size: tuple[int, int], y: int, x: int, side: int) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def write_video_set(folder: Path, videos: int = 3) -> Path:
    """Videos of a red and a green square that move apart; the green one is gone in the last frame."""
    rng = np.random.default_rng(0)
    entries, tracks = [], []
    for video in range(1, videos + 1):
        names = tuple(f"{video}/{frame}.png" for frame in range(FRAMES))
        entries.append(Video(video, *SIZE, names))
        red = [square(SIZE, 20, 40 - 8 * frame, 24) for frame in range(FRAMES)]
        green = [square(SIZE, 16, 70 + 8 * frame, 20) for frame in range(FRAMES - 1)]
        (folder / str(video)).mkdir(parents=True)
        for frame, name in enumerate(names):
            image = rng.integers(0, 60, (*SIZE, 3)).astype(np.uint8)
            image[red[frame]] = (30, 30, 220)
            if frame < len(green):
                image[green[frame]] = (30, 220, 30)
            cv2.imwrite(str(folder / name), image)
        for identity, category, masks in ((2 * video, 4, red), (2 * video + 1, 9, green)):
            encoded = tuple(rle.encode(mask) for mask in masks) + (None,) * (FRAMES - len(masks))
            areas = tuple(None if m is None else float(rle.area(m)) for m in encoded)
            tracks.append(Track(identity, video, category, encoded, areas))
    categories = (Category(9, "green"), Category(4, "red"))
    save_ytvis(VideoDataset(categories, tuple(entries), tuple(tracks)), folder / "instances.json")
    return folder


@pytest.fixture(scope="session")
def video_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video_set(tmp_path_factory.mktemp("videos"))


@pytest.fixture
def config(video_set: Path, tmp_path: Path) -> TrainConfig:
    return small_config(video_set, tmp_path / "run")


def small_config(video_set: Path, output: Path, *overrides: str) -> TrainConfig:
    """Six steps of a small network on the squares."""
    path = output.parent / f"{output.name}.toml"
    path.write_text(
        f"""
[model]
name = "mobileinst-topformer-tiny"
options = {{ num_queries = 6, dim = 32, heads = 4 }}
[data]
format = "youtube-vis"
annotations = "{video_set}/instances.json"
images = "{video_set}"
batch_size = 2
canvas = [64, 128]
augment = {{ scale = [0.8, 1.25], colour = 0.2 }}
[optimizer]
learning_rate = 1e-3
clip_norm = 1.0
ema_decay = 0.9
[schedule]
iterations = 6
kind = "cosine"
[run]
output = "{output}"
device = "cpu"
threads = 1
log_every = 2
checkpoint_every = 2
""",
        encoding="utf-8",
    )
    return load_config(path, overrides)


@pytest.fixture
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that draw none: to draw them takes as long as the six steps."""
    monkeypatch.setattr("mobilevis.training.trainer.plot_curves", lambda folder: None)


@pytest.fixture
def model() -> MobileInst:
    torch.manual_seed(0)
    network = create_model("mobileinst-topformer-tiny", num_classes=2, num_queries=6, dim=32, heads=4)
    assert isinstance(network, MobileInst)
    return network
