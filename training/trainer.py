"""The training run: step, log, save, and go on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mobilevis.models.weights.checkpoint import save_checkpoint
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import file_exists
from mobilevis.training import distributed
from mobilevis.training.build import (
    create_network,
    create_objective,
    create_schedule,
    create_training_set,
    distribute,
    require_start,
    total_iterations,
)
from mobilevis.training.config import TrainConfig
from mobilevis.training.ema import WeightAverage
from mobilevis.training.logging import RunLog, earlier_run, read_log
from mobilevis.training.optimizer import create_optimizer, set_learning_rate
from mobilevis.training.plots import plot_curves
from mobilevis.training.precision import (
    autocast,
    choose_device,
    choose_precision,
    create_scaler,
    spare_depthwise,
)
from mobilevis.training.samples.batches import BatchSampler
from mobilevis.training.samples.dataset import Batch, collate
from mobilevis.training.samples.sources import open_source
from mobilevis.training.state import STATE_FILE, TrainingState, load_state, save_state
from mobilevis.training.validation import ProgressBar, Validation, ValidationReport, Validator, best_row

MODEL_FILE = "model.safetensors"
# Keys of [data] that do not change a batch: a sample is a function of the seed and its key alone.
_WHERE_AND_HOW = ("annotations", "images", "workers", "cache")
# Keys of [validation] that do not change a figure, so that validations before and after can be compared.
_WHERE_AND_WHEN = ("annotations", "images", "every", "sheet_size", "sheet_score")


@dataclass(frozen=True)
class StepReport:
    """One completed step.

    Attributes:
        iteration: completed iterations.
        iterations: of the whole run.
        values: the loss, its weighted terms and the gradient's norm, of the joint batch.
    """

    iteration: int
    iterations: int
    values: Mapping[str, float]


class Trainer:
    """One training run, in this process; under ``torchrun``, inside :func:`distributed.process_group`.

    Args:
        config: the run.
        resume: go on from the state in the run's folder.
        strict: refuse annotations that would be mended.
        validator: measures on the set of ``config.validation``; needed where that has one.

    Raises:
        UserError: the data, the initial weights or the state to resume cannot be used, or a new run would
            replace an earlier one.
        ValueError: a validator is missing.
    """

    def __init__(
        self,
        config: TrainConfig,
        resume: bool = False,
        strict: bool = False,
        validator: Optional[Validator] = None,
    ) -> None:
        if config.validation.enabled and validator is None:
            raise ValueError("the configuration has a set to validate with: give a validator")
        self.config = config
        self.folder = Path(config.run.output)
        if not resume and any(file_exists(self.folder / name) for name in (STATE_FILE, MODEL_FILE)):
            raise earlier_run(self.folder)
        require_start(config.model)
        self.device = choose_device(config.run.device)
        self.precision = choose_precision(config.run.precision, self.device)
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        torch.manual_seed(config.run.seed)
        source = open_source(config.data, strict)
        self.notes = source.notes
        self.classes = source.classes
        names = [category.name for category in source.classes]
        model, self.initial_weights = create_network(config.model, len(names), source.stuff_classes, names)
        objective = create_objective(model, config)
        self.validation: Optional[Validation] = None
        if validator is not None and distributed.rank() == 0:
            network = objective.model.to(self.device)
            self.validation = Validation(config, network, self.classes, validator)
        self.dataset = create_training_set(source, config, objective)
        self.iterations = total_iterations(config.schedule, len(self.dataset), config.data.batch_size)
        self.schedule = create_schedule(config.schedule, self.iterations)
        self.end = min(config.run.stop_at or self.iterations, self.iterations)
        objective.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.precision == "bf16" and self.device.type == "cpu":
            spare_depthwise(objective)
        decay = config.optimizer.ema_decay
        self.state = TrainingState(
            objective=objective,
            optimizer=create_optimizer(objective, config.optimizer),
            average=WeightAverage(objective.model, decay) if decay else None,
            scaler=create_scaler(self.precision, self.device),
        )
        self.compute_terms = distribute(objective, self.device, config.run.sync_batch_norm)
        # The weights came from the common seed; what is dropped at random differs between processes.
        torch.manual_seed(config.run.seed + distributed.rank())
        if resume:
            load_state(self.state, self.folder / STATE_FILE, _comparable(config))
            if self.state.iteration > self.end:
                what = f"the state is at iteration {self.state.iteration}, past the run's end at {self.end}"
                raise UserError(what, self.folder / STATE_FILE, "raise run.stop_at, or set it to 0")

    def run(
        self,
        on_step: Callable[[StepReport], None] = lambda report: None,
        on_validation: Callable[[ValidationReport], None] = lambda report: None,
        progress: ProgressBar = iter,
    ) -> Path:
        """Train to the end.

        Args:
            on_step: called after each step.
            on_validation: called after each validation.
            progress: wraps the images or videos of a validation.

        Returns:
            The final checkpoint; the first process writes it.

        Raises:
            UserError: the loss is no longer finite.
        """
        if distributed.rank() > 0:
            for report in self._steps():
                on_step(report)
            return self.folder / MODEL_FILE
        window: list[Mapping[str, float]] = []
        with RunLog(self.folder, self.state.iteration) as log:
            for report in self._steps():
                window.append(report.values)
                if self._due(self.config.run.log_every):
                    log.write(report.iteration, {"learning_rate": self._learning_rate(), **_means(window)})
                    window.clear()
                if self.validation and self._due(self.config.validation.every):
                    on_validation(self.validation.run(self.state, log, progress))
                    plot_curves(self.folder)
                if self._due(self.config.run.checkpoint_every):
                    save_state(self.state, self.folder / STATE_FILE, _comparable(self.config))
                on_step(report)
        plot_curves(self.folder)
        return self._save_model()

    def _due(self, every: int) -> bool:
        return self.state.iteration % every == 0 or self.state.iteration == self.end

    def _learning_rate(self) -> float:
        return self.config.optimizer.learning_rate * self.schedule(self.state.iteration - 1)

    def _steps(self) -> Iterator[StepReport]:
        for batch in self._batches():
            set_learning_rate(self.state.optimizer, self.schedule(self.state.iteration))
            values = self._step(batch.to(self.device))
            self.state.iteration += 1
            yield StepReport(self.state.iteration, self.end, values)

    def _batches(self) -> Iterable[Batch]:
        data, seed = self.config.data, self.config.run.seed
        share = (distributed.rank(), distributed.world_size())
        start, weights = self.state.iteration, self.dataset.weights
        sampler = BatchSampler(
            len(self.dataset), data.batch_size, self.end, seed, start, *share, weights=weights
        )
        # With its own generator the loader leaves the global one alone, which the saved state covers.
        return DataLoader(
            self.dataset,
            batch_sampler=sampler,
            num_workers=data.workers,
            collate_fn=collate,
            generator=torch.Generator(),
        )

    def _step(self, batch: Batch) -> dict[str, float]:
        frames = batch.frames.to(torch.float32, memory_format=torch.channels_last)
        try:
            with autocast(self.precision, self.device):
                terms = self.compute_terms(frames, batch.targets)
            loss = torch.stack(list(terms.values())).sum()
            if not bool(loss.isfinite()):
                raise FloatingPointError("the loss is not finite")
        except FloatingPointError as error:
            fix = "lower optimizer.learning_rate, set optimizer.clip_norm, or use run.precision=fp32"
            raise UserError(f"{error} after {self.state.iteration} iterations", self.folder, fix) from error
        norm = self._update(loss)
        if self.state.average:
            self.state.average.update(self.state.objective.model)
        values = {"loss": loss, **terms, "gradient_norm": norm}
        joint = distributed.mean_over_processes(torch.stack([value.detach() for value in values.values()]))
        return dict(zip(values, joint.tolist()))

    def _update(self, loss: Tensor) -> Tensor:
        optimizer, scaler = self.state.optimizer, self.state.scaler
        limit = self.config.optimizer.clip_norm or float("inf")
        optimizer.zero_grad(set_to_none=True)
        (scaler.scale(loss) if scaler else loss).backward()
        if scaler:
            scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(self.state.objective.parameters(), limit)
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        return norm

    def _save_model(self) -> Path:
        path, name = self.folder / MODEL_FILE, self.config.model.name
        model, average = self.state.objective.model, self.state.average
        if average:
            model.load_state_dict(average.state)
        record = {
            "config": asdict(self.config),
            "iterations": self.end,
            "final": read_log(self.folder)[-1],
            "torch": torch.__version__,
        }
        if best := best_row(self.folder):
            record["best"] = best
        save_checkpoint(model, path, name=name, classes=self.classes, record=record)
        return path


def _comparable(config: TrainConfig) -> dict[str, Any]:
    """What must be the same for a run to be resumed: what its result depends on, of ``[run]`` the seed."""
    tables = asdict(config)
    data = {key: value for key, value in tables["data"].items() if key not in _WHERE_AND_HOW}
    measured = {key: value for key, value in tables["validation"].items() if key not in _WHERE_AND_WHEN}
    validation = measured if config.validation.enabled else None
    return {**tables, "data": data, "validation": validation, "run": {"seed": tables["run"]["seed"]}}


def _means(rows: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: fmean(row[name] for row in rows) for name in rows[0]}
