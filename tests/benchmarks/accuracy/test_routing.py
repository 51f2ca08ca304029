"""Layers against motion, and the AP with fixed numbers of layers, on a routed model of known routers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mobilevis.benchmarks.accuracy.routing import (
    RoutedFrame,
    at_pace,
    layer_table,
    rank_correlation,
    routed_frames,
)
from mobilevis.data.datasets import VideoDataset
from mobilevis.data.synth.generate import generate
from mobilevis.data.synth.sources import SynthOptions
from mobilevis.data.ytvis import save_ytvis
from mobilevis.export.describe import describe
from mobilevis.export.eager import EagerArtefact
from mobilevis.models import create_model
from mobilevis.runtime.metadata import ClassInfo
from mobilevis.runtime.segmenter import VideoSegmenter

SIZE, FRAMES = (64, 64), 3


@pytest.fixture(scope="module")
def video_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VideoDataset]:
    folder = tmp_path_factory.mktemp("routing") / "set"
    return folder, generate(folder, SynthOptions(videos=2, frames=FRAMES, size=SIZE, seed=1))


@pytest.fixture(scope="module")
def artefact(video_set: tuple[Path, VideoDataset]) -> EagerArtefact:
    """Of four layers, whose routers keep the second and skip the others."""
    torch.manual_seed(0)
    classes = [ClassInfo(category.id, category.name) for category in video_set[1].categories]
    small = {"num_queries": 4, "dim": 32, "decoder_layers": 4, "encoder_layers": 1}
    model = create_model("minvis-tar-tiny", num_classes=len(classes), **small).eval()
    for index, router in enumerate(model.routers, start=1):
        with torch.no_grad():
            router.mlp[-1].bias.copy_(torch.tensor([0.0, 1.0] if index == 1 else [1.0, 0.0]))
    entries, metadata = describe(model, SIZE, name="minvis-tar-tiny", classes=classes, max_instances=4)
    return EagerArtefact(model, entries, metadata)


def test_a_pace_of_zero_is_a_static_scene(video_set):
    dataset = video_set[1]
    still = at_pace(dataset, 0)
    for video in still.videos:
        assert len(video.file_names) == FRAMES
        assert len(set(video.file_names)) == 1
        for track in still.tracks_by_video[video.id]:
            assert track.segmentations == (track.segmentations[0],) * FRAMES


def test_a_pace_of_two_leaves_out_every_other_frame(video_set):
    dataset = video_set[1]
    for before, after in zip(dataset.videos, at_pace(dataset, 2).videos):
        assert after.file_names == before.file_names[::2]


def test_every_frame_but_the_first_is_a_point(video_set, artefact, tmp_path):
    folder, dataset = video_set
    save_ytvis(at_pace(dataset, 0), tmp_path / "still.json")
    points = routed_frames(VideoSegmenter(artefact), tmp_path / "still.json", folder / "JPEGImages")
    assert points == [RoutedFrame(v.id, 0.0, 2) for v in dataset.videos for _ in range(FRAMES - 1)]
    moving = routed_frames(VideoSegmenter(artefact), folder / "instances.json", folder / "JPEGImages")
    assert min(point.change for point in moving) > 0


def test_the_correlation_is_of_ranks():
    points = [RoutedFrame(1, change, layers) for change, layers in ((0.1, 2), (5.0, 3), (900.0, 4))]
    assert rank_correlation(points) == pytest.approx(1.0)
    assert rank_correlation([RoutedFrame(1, p.change, -p.layers) for p in points]) == pytest.approx(-1.0)


def test_a_row_for_each_fixed_number_of_layers_and_one_for_the_routers(video_set, artefact, tmp_path):
    folder, _ = video_set
    gt, images = folder / "instances.json", folder / "JPEGImages"
    rows = layer_table(artefact, gt, images, tmp_path / "results.json", [1, 4], score_threshold=0.0)
    assert [(row.fixed_layers, row.mean_layers) for row in rows] == [(1, 1.0), (4, 4.0), (None, 2.0)]
    assert all(0.0 <= row.average_precision <= 1.0 for row in rows)
