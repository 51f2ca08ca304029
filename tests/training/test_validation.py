"""A run that is validated: what is measured, which weights are kept, and that the run goes on unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mobilevis.models.entries import StreamingModel
from mobilevis.models.weights.checkpoint import load_checkpoint
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.training.config import TrainConfig, ValidationConfig
from mobilevis.training.logging import VALIDATION_FILE, read_log
from mobilevis.training.state import STATE_FILE
from mobilevis.training.trainer import MODEL_FILE, Trainer
from mobilevis.training.validation import BEST_FILE, ProgressBar, ValidationReport
from tests.training.conftest import small_config

pytestmark = pytest.mark.usefixtures("no_curves")


class FakeSet:
    """Gives the figures it was told, and keeps the weights that it was shown."""

    def __init__(self, *figures: float) -> None:
        self.figures = list(figures)
        self.shown: list[dict[str, torch.Tensor]] = []
        self.sheets: list[str] = []

    def check(self, model: StreamingModel, classes: Sequence[Category]) -> None:
        assert not model.training
        assert [category.name for category in classes] == ["red", "green"]

    def measure(
        self, model: StreamingModel, classes: Sequence[Category], sheet: Path, progress: ProgressBar
    ) -> Mapping[str, float]:
        torch.rand(7)  # draws from the generator that the run's state covers
        assert not model.training
        self.shown.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        self.sheets.append(sheet.name)
        return {"AP": self.figures.pop(0), "AP50": 0.5}


class KilledError(Exception):
    pass


@pytest.fixture
def validated(video_set: Path, tmp_path: Path) -> TrainConfig:
    return validated_config(video_set, tmp_path / "run")


def validated_config(video_set: Path, output: Path, *overrides: str) -> TrainConfig:
    config = small_config(video_set, output, *overrides)
    return replace(config, validation=ValidationConfig("val.json", "val", every=2))


def test_the_best_weights_are_kept_with_their_figures(validated: TrainConfig) -> None:
    held_out, reports = FakeSet(0.1, 0.3, 0.2), list[ValidationReport]()
    path = Trainer(validated, validator=held_out).run(on_validation=reports.append)
    assert [(r.iteration, r.figures["AP"], r.is_best) for r in reports] == [
        (2, 0.1, True),
        (4, 0.3, True),
        (6, 0.2, False),
    ]
    best = load_checkpoint(path.with_name(BEST_FILE))
    assert best.record["iterations"] == 4
    assert best.record["validation"] == {"AP": 0.3, "AP50": 0.5}
    assert all(torch.equal(t, held_out.shown[1][name]) for name, t in best.model.state_dict().items())
    assert load_checkpoint(path).record["best"] == {"iteration": 4, "AP": 0.3, "AP50": 0.5}
    assert [row["AP"] for row in read_log(path.parent, VALIDATION_FILE)] == [0.1, 0.3, 0.2]
    assert held_out.sheets == ["0000002.png", "0000004.png", "0000006.png"]


@pytest.mark.parametrize("decay", [0.9, 0.0])
def test_what_ships_is_what_is_measured(video_set: Path, tmp_path: Path, decay: float) -> None:
    config = validated_config(video_set, tmp_path / "run", f"optimizer.ema_decay={decay}")
    held_out = FakeSet(0.1, 0.2, 0.3)
    path = Trainer(config, validator=held_out).run()
    shipped = load_checkpoint(path).model.state_dict()
    assert all(torch.equal(tensor, shipped[name]) for name, tensor in held_out.shown[-1].items())


def test_validation_does_not_change_the_run(video_set: Path, tmp_path: Path) -> None:
    plain = small_config(video_set, tmp_path / "plain")
    Trainer(plain).run()
    watched = validated_config(video_set, tmp_path / "watched")
    Trainer(watched, validator=FakeSet(0.1, 0.2, 0.3)).run()
    for name in (STATE_FILE, MODEL_FILE):
        first, second = (load_file(Path(c.run.output) / name) for c in (plain, watched))
        assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("figures", "best"), [((0.1, 0.3, 0.2), 4), ((0.4, 0.3, 0.2), 2), ((0.3, 0.3, 0.3), 2)]
)
def test_a_killed_run_keeps_its_best(validated: TrainConfig, figures: tuple[float, ...], best: int) -> None:
    def die(report: Any) -> None:
        if report.iteration == 5:
            raise KilledError

    with pytest.raises(KilledError):
        Trainer(validated, validator=FakeSet(*figures[:2])).run(die)
    path = Trainer(validated, resume=True, validator=FakeSet(figures[2])).run()
    assert load_checkpoint(path.with_name(BEST_FILE)).record["iterations"] == best
    assert [row["AP"] for row in read_log(path.parent, VALIDATION_FILE)] == list(figures)


def test_validations_after_the_saved_state_are_done_again(video_set: Path, tmp_path: Path) -> None:
    config = validated_config(video_set, tmp_path / "run", "run.checkpoint_every=3")

    def die(report: ValidationReport) -> None:
        if report.iteration == 4:
            raise KilledError

    with pytest.raises(KilledError):  # the state is of iteration 3
        Trainer(config, validator=FakeSet(0.1, 0.9)).run(on_validation=die)
    path = Trainer(config, resume=True, validator=FakeSet(0.2, 0.3)).run()
    assert [row["AP"] for row in read_log(path.parent, VALIDATION_FILE)] == [0.1, 0.2, 0.3]
    assert load_checkpoint(path.with_name(BEST_FILE)).record["validation"]["AP"] == 0.3


def test_a_run_begins_to_be_validated_when_it_is_resumed(video_set: Path, tmp_path: Path) -> None:
    Trainer(small_config(video_set, tmp_path / "run", "run.stop_at=2")).run()
    path = Trainer(validated_config(video_set, tmp_path / "run"), True, validator=FakeSet(0.1, 0.2)).run()
    assert [row["iteration"] for row in read_log(path.parent, VALIDATION_FILE)] == [4, 6]


def test_a_run_is_not_resumed_with_figures_of_another_kind(video_set: Path, tmp_path: Path) -> None:
    config = validated_config(video_set, tmp_path / "run", "run.stop_at=2")
    Trainer(config, validator=FakeSet(0.1)).run()
    moved = replace(config.validation, annotations="elsewhere.json", every=3)
    Trainer(replace(config, validation=moved), True, validator=FakeSet())
    other = replace(config.validation, input_size=(128, 256))
    with pytest.raises(UserError, match=r"another validation\.input_size"):
        Trainer(replace(config, validation=other), True, validator=FakeSet())


def test_a_table_without_anyone_who_measures_is_not_ignored(validated: TrainConfig) -> None:
    with pytest.raises(ValueError, match="give a validator"):
        Trainer(validated)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("validation.every=3", r"'validation\.annotations' is missing"),
        ("validation.annotations='v.json'", "needs annotations and images"),
        ("validation.format='voc'", "unknown validation.format 'voc'; known: coco"),
        ("validation.every=0", "must be positive"),
        ("validation.sheet_size=65", "sheet_size must lie in"),
        ("validation.size=3", r"unknown key 'validation\.size'"),
    ],
)
def test_a_wrong_table_is_refused(video_set: Path, tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        small_config(video_set, tmp_path / "run", override)


def test_a_set_without_one_canvas_needs_an_input_size(video_set: Path, tmp_path: Path) -> None:
    free = ("data.canvas=[0, 0]", "data.short_sides=[64]", "data.long_side=128")
    table = ("validation.annotations='v.json'", "validation.images='v'")
    with pytest.raises(UserError, match="needs input_size"):
        small_config(video_set, tmp_path / "run", *free, *table)
    sized = small_config(video_set, tmp_path / "run", *free, *table, "validation.input_size=[64, 128]")
    assert sized.validation_size == (64, 128)
