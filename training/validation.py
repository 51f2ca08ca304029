"""Validation: how good the weights are while a run goes on, and which of them were the best."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional, Protocol

import torch

from mobilevis.models.entries import StreamingModel
from mobilevis.models.weights.checkpoint import save_checkpoint
from mobilevis.runtime.categories import Category
from mobilevis.training.config import TrainConfig
from mobilevis.training.logging import VALIDATION_FILE, RunLog, read_log
from mobilevis.training.state import TrainingState

BEST_FILE = "best.safetensors"
SHEET_FOLDER = "predictions"

ProgressBar = Callable[[Sequence[Any]], Iterable[Any]]  # wraps the images or videos of a validation


class Validator(Protocol):
    """Measures a model on a held-out set; handed in, since training knows no evaluator and no runtime."""

    def check(self, model: StreamingModel, classes: Sequence[Category]) -> None:
        """Refuse, before any training, what ``measure`` could not measure.

        Raises:
            UserError: the set cannot be read, has other classes or nothing to find, or an option is wrong.
        """
        ...

    def measure(
        self, model: StreamingModel, classes: Sequence[Category], sheet: Path, progress: ProgressBar
    ) -> Mapping[str, float]:
        """Measure a model.

        Args:
            model: in evaluation mode.
            classes: the categories by class index.
            sheet: PNG to write, of predictions.
            progress: wraps the loop over images or videos.

        Returns:
            Figure → fraction in [0, 1]. The first one says which weights are the best.
        """
        ...


@dataclass(frozen=True)
class ValidationReport:
    """One validation.

    Attributes:
        iteration: completed iterations.
        figures: as the validator gives them.
        is_best: the first figure is higher than all before it.
    """

    iteration: int
    figures: Mapping[str, float]
    is_best: bool


class Validation:
    """Validates a run, and keeps its best weights in ``best.safetensors``.

    Args:
        config: of the run.
        model: the run's, on its device, before any process or precision changes it; it is copied.
        classes: the categories by class index.
        validator: measures.

    Raises:
        UserError: the set or an option cannot be used.
    """

    def __init__(
        self, config: TrainConfig, model: StreamingModel, classes: Sequence[Category], validator: Validator
    ) -> None:
        self._config, self._classes, self._validator = config, classes, validator
        self._model = copy.deepcopy(model).eval()
        validator.check(self._model, classes)

    def run(self, state: TrainingState, log: RunLog, progress: ProgressBar = iter) -> ValidationReport:
        """Measure the weights that would ship now: the averaged ones, where there are such.

        The run itself is left as it was, its random generators too.

        Raises:
            UserError: an image cannot be read, the weights are not finite or a file cannot be written.
        """
        # Building a model to check a checkpoint's name draws random weights.
        with torch.random.fork_rng():
            return self._run(state, log, progress)

    def _run(self, state: TrainingState, log: RunLog, progress: ProgressBar) -> ValidationReport:
        self._model.load_state_dict(
            state.average.state if state.average else state.objective.model.state_dict()
        )
        sheet = log.folder / SHEET_FOLDER / f"{state.iteration:07d}.png"
        figures = self._validator.measure(self._model, self._classes, sheet, progress)
        chosen = next(iter(figures))
        best = best_row(log.folder)
        report = ValidationReport(state.iteration, figures, best is None or figures[chosen] > best[chosen])
        if report.is_best:
            self._save(report, log.folder / BEST_FILE)
        log.write(state.iteration, figures, VALIDATION_FILE)
        return report

    def _save(self, report: ValidationReport, path: Path) -> None:
        record = {
            "config": asdict(self._config),
            "iterations": report.iteration,
            "validation": dict(report.figures),
            "torch": torch.__version__,
        }
        name = self._config.model.name
        save_checkpoint(self._model, path, name=name, classes=self._classes, record=record)


def best_row(folder: Path) -> Optional[dict[str, float]]:
    """The validation of the best weights, the earliest of equals; None before the first validation."""
    rows = read_log(folder, VALIDATION_FILE)
    return max(rows, key=lambda row: list(row.values())[1], default=None)
