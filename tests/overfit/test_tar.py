from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mobilevis.benchmarks.accuracy.routing import layer_row, paced_set
from mobilevis.data.ytvis import load_ytvis
from mobilevis.export.describe import describe
from mobilevis.export.eager import EagerArtefact
from mobilevis.models.weights.checkpoint import load_checkpoint
from mobilevis.runtime.categories import Category

pytestmark = pytest.mark.overfit


def routed_artefact(checkpoint: Path, size: tuple[int, int]) -> EagerArtefact:
    loaded = load_checkpoint(checkpoint)
    classes = [Category(category.id, category.name) for category in loaded.classes]
    return EagerArtefact(loaded.model, *describe(loaded.model, size, name=loaded.name, classes=classes))


def test_minvis_learns_one_clip_by_heart_and_then_runs_few_layers_where_nothing_moves(
    overfit: Callable[..., float], clip_set: Path, tmp_path: Path
) -> None:
    by_gain = {"routers": "gain", "budget": 0.05, "exploration": 0.3, "keep_identities": True, "rollout": 10}
    options = {"found": 0.1}
    assert (
        overfit("minvis-tar-tiny", 400, clip_length=3, batch_size=1, objective=by_gain, options=options)
        >= 0.90
    )
    video = load_ytvis(clip_set).videos[0]
    artefact = routed_artefact(tmp_path / "run" / "model.safetensors", (video.height, video.width))
    still = paced_set(clip_set, 0, tmp_path)
    nine, routed = (layer_row(artefact, still, layers) for layers in (9, None))
    assert routed.mean_layers <= 4
    assert routed.average_precision >= nine.average_precision - 0.01


def test_dvis_plus_learns_one_clip_by_heart(overfit: Callable[..., float]) -> None:
    objective = {"segmenter": 1.0, "budget": 0.1}
    assert (
        overfit(
            "dvis-plus-tar-tiny", 500, clip_length=3, learning_rate=5e-4, batch_size=1, objective=objective
        )
        >= 0.90
    )
