"""Layers against motion, and the AP with fixed numbers of layers, on a routed model of known routers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.benchmarks.accuracy.routing import (
    MIXED,
    RoutedFrame,
    against_row,
    at_pace,
    by_change,
    layer_row,
    paced_set,
    parse_pace,
    rank_correlation,
    routing_record,
    shown_frames,
)
from mobilevis.data.datasets import VideoDataset
from mobilevis.data.synth import SynthOptions, generate
from mobilevis.export.describe import describe
from mobilevis.export.eager import EagerArtefact
from mobilevis.models import create_model
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError

SIZE, FRAMES = (64, 64), 3


@pytest.fixture(scope="module")
def video_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VideoDataset]:
    folder = tmp_path_factory.mktemp("routing") / "set"
    return folder, generate(folder, SynthOptions(videos=2, frames=FRAMES, size=SIZE, seed=1))


@pytest.fixture(scope="module")
def artefact(video_set: tuple[Path, VideoDataset]) -> EagerArtefact:
    """Of four layers, whose routers keep the second and skip the others."""
    torch.manual_seed(0)
    classes = [Category(category.id, category.name) for category in video_set[1].categories]
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


def test_a_mixed_video_stands_still_and_moves_in_turn():
    assert shown_frames(12, MIXED) == [0, 0, 0, 1, 2, 3, 3, 3, 3, 4, 5, 6]


@pytest.mark.parametrize("text", ["-1", "fast", "1.5", ""])
def test_an_unknown_pace_is_refused(text):
    with pytest.raises(UserError, match="unknown pace"):
        parse_pace(text)


@pytest.mark.parametrize(("text", "pace"), [("0", 0), ("2", 2), ("mixed", MIXED)])
def test_a_pace_is_read_from_the_command_line(text, pace):
    assert parse_pace(text) == pace


def test_every_frame_but_a_videos_first_is_counted(video_set, artefact, tmp_path):
    folder, dataset = video_set
    still, moving = (
        layer_row(artefact, paced_set(folder / "instances.json", pace, tmp_path), None) for pace in (0, 1)
    )
    assert list(still.frames) == [RoutedFrame(0.0, 2)] * (len(dataset.videos) * (FRAMES - 1))
    assert len(moving.frames) == len(still.frames)
    assert min(frame.change for frame in moving.frames) > 0


def test_a_fixed_number_of_layers_runs_in_every_frame(video_set, artefact, tmp_path):
    gt = video_set[0] / "instances.json"
    videos = paced_set(gt, 1, tmp_path)
    rows = [layer_row(artefact, videos, count, score_threshold=0.0) for count in (1, 4, None)]
    assert [row.mean_layers for row in rows] == [1.0, 4.0, 2.0]
    assert all(0.0 <= row.average_precision <= 1.0 for row in rows)


def test_a_model_without_routers_is_refused(video_set, tmp_path):
    model = create_model("minvis-tiny", num_classes=len(video_set[1].categories), dim=32).eval()
    classes = [Category(category.id, category.name) for category in video_set[1].categories]
    plain = EagerArtefact(model, *describe(model, SIZE, name="minvis-tiny", classes=classes))
    with pytest.raises(UserError, match="no option fixed_layers"):
        layer_row(plain, paced_set(video_set[0] / "instances.json", 1, tmp_path), None)


def frames(*pairs: tuple[float, int]) -> list[RoutedFrame]:
    return [RoutedFrame(change, layers) for change, layers in pairs]


def test_the_correlation_is_of_ranks():
    assert rank_correlation(frames((0.1, 2), (5.0, 3), (900.0, 4))) == pytest.approx(1.0)
    assert rank_correlation(frames((0.1, 4), (5.0, 3), (900.0, 2))) == pytest.approx(-1.0)


def test_frames_that_all_keep_the_same_layers_have_no_correlation():
    assert rank_correlation(frames((0.1, 2), (5.0, 2))) is None


@given(st.lists(st.tuples(st.floats(0, 255**2), st.integers(1, 9)), max_size=50), st.integers(1, 12))
def test_groups_by_change_hold_every_frame_once_and_are_of_one_size(pairs, groups):
    parts = by_change(frames(*pairs), groups)
    sizes = [part["frames"] for part in parts]
    assert sum(sizes) == len(pairs)
    assert not sizes or max(sizes) - min(sizes) <= 1
    changes = [part["change"] for part in parts]
    assert changes == sorted(changes)
    kept = sum(part["layers"] * part["frames"] for part in parts)
    assert kept == pytest.approx(sum(layers for _, layers in pairs))


def test_the_record_relates_layers_to_change_in_routed_frames_that_move(video_set, artefact, tmp_path):
    gt = video_set[0] / "instances.json"
    sets = [paced_set(gt, pace, tmp_path) for pace in (0, 1)]
    rows = [layer_row(artefact, videos, count) for videos in sets for count in (4, None)]
    record = routing_record(rows, gt, artefact={"sha256": "0"})
    assert [row["mean_layers"] for row in record["rows"]] == [4.0, 2.0, 4.0, 2.0]
    assert sum(part["frames"] for part in record["relation"]["by_change"]) == len(rows[3].frames)
    assert record["relation"]["rank_correlation"] is None
    json.dumps(record, allow_nan=False)


def test_a_row_of_another_model_says_nothing_about_routing(artefact, video_set, tmp_path):
    videos = paced_set(video_set[0] / "instances.json", 1, tmp_path)
    other = against_row(artefact, videos, "minvis")
    routed = layer_row(artefact, videos, None)
    assert (other.against, other.is_routed, other.frames) == ("minvis", False, ())
    record = routing_record([routed, other], video_set[0] / "instances.json")
    assert [row.get("against") for row in record["rows"]] == [None, "minvis"]
    assert sum(group["frames"] for group in record["relation"]["by_change"]) == len(routed.frames)
