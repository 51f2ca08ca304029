"""``mobilevis bench routing``: a checkpoint with TAR on videos at two paces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mobilevis.data.synth import SynthOptions, generate
from mobilevis.models import create_model
from mobilevis.models.weights.checkpoint import save_checkpoint

pytestmark = pytest.mark.slow  # a process that loads PyTorch

SIZE = (64, 64)


@pytest.fixture(scope="module")
def video_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple]:
    """A folder with annotations, and their categories."""
    folder = tmp_path_factory.mktemp("routing") / "set"
    dataset = generate(folder, SynthOptions(videos=1, frames=3, size=SIZE, seed=1))
    return folder, dataset.categories


def checkpoint(name: str, video_set: tuple[Path, tuple]) -> Path:
    """Seeded random weights."""
    torch.manual_seed(0)
    categories = video_set[1]
    model = create_model(name, num_classes=len(categories), dim=32, encoder_layers=1, decoder_layers=3).eval()
    path = video_set[0] / f"{name}.safetensors"
    save_checkpoint(model, path, name=name, classes=categories, record={})
    return path


def test_a_row_for_each_pace_with_all_layers_and_with_routers(mobilevis, tmp_path, video_set):
    weights = checkpoint("minvis-tar-tiny", video_set)
    done = mobilevis(
        *("bench", "routing", "--checkpoint", weights, "--input-size", "64x64"),
        *("--dataset", video_set[0] / "instances.json", "--pace", 0, "--pace", 1, "--json", "out.json"),
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out.json").read_text())
    assert [(row["pace"], row["fixed_layers"]) for row in record["rows"]] == [
        (0, 3), (0, None), (1, 3), (1, None),
    ]  # fmt: skip
    assert record["artefact"]["model"] == "minvis-tar-tiny"
    assert record["rows"][0]["mean_layers"] == 3.0


def test_another_model_is_run_on_the_same_videos(mobilevis_here, tmp_path, video_set):
    weights, other = (checkpoint(name, video_set) for name in ("minvis-tar-tiny", "minvis-tiny"))
    done = mobilevis_here(
        *("bench", "routing", "--checkpoint", weights, "--input-size", "64x64", "--layers", 1),
        *(
            "--dataset",
            video_set[0] / "instances.json",
            "--pace",
            1,
            "--against",
            other,
            "--json",
            "out.json",
        ),
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out.json").read_text())
    assert [row.get("against") for row in record["rows"]] == [None, None, other.name]
    assert [about["model"] for about in record["against"]] == ["minvis-tiny"]


def test_a_model_without_routers_is_refused(refused_here, video_set):
    weights = checkpoint("minvis-tiny", video_set)
    line = refused_here(
        *("bench", "routing", "--checkpoint", weights, "--input-size", "64x64"),
        *("--dataset", video_set[0] / "instances.json"),
    )
    assert "fixed_layers" in line
