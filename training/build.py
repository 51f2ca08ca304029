"""From a configuration to what a run is built of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mobilevis.models.entries import StreamingModel
from mobilevis.models.registry import create_model
from mobilevis.models.weights.bundled import find_weights
from mobilevis.models.weights.checkpoint import load_weights, start_classes
from mobilevis.models.weights.load_report import LoadReport
from mobilevis.models.weights.matching import is_in
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import file_exists
from mobilevis.training import distributed
from mobilevis.training.config import ModelConfig, ScheduleConfig, TrainConfig
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.registry import OBJECTIVES
from mobilevis.training.recipes import PUBLISHED, recipe_that_writes
from mobilevis.training.samples.config import STILL_FORMATS
from mobilevis.training.samples.dataset import TrainingSet
from mobilevis.training.samples.sources import FrameSource
from mobilevis.training.schedule import Schedule, cosine_decay, step_decay, with_warmup
from mobilevis.training.toml import from_table


def total_iterations(schedule: ScheduleConfig, samples: int, batch_size: int) -> int:
    """The run's length in steps; the last batch of the last epoch is filled up from the next epoch."""
    return schedule.iterations or -(-schedule.epochs * samples // batch_size)


def create_schedule(config: ScheduleConfig, iterations: int) -> Schedule:
    """The learning rate's factor at each iteration, for a run of so many iterations."""
    if config.kind == "cosine":
        schedule = cosine_decay(iterations)
    else:
        unit = iterations / config.epochs if config.epochs else 1
        schedule = step_decay([round(milestone * unit) for milestone in config.milestones], config.gamma)
    return with_warmup(schedule, config.warmup)


def require_start(config: ModelConfig) -> None:
    """Refuse a run whose initial weights are not there, before anything is loaded.

    Raises:
        UserError: there is no such file; the recipe that writes it is named, or where it is published.
    """
    if not config.checkpoint or file_exists(find_weights(config.checkpoint)):
        return
    recipe = recipe_that_writes(config.checkpoint)
    first = f"run `mobilevis train {recipe}` first, or " if recipe else ""
    if config.checkpoint in PUBLISHED:
        first = f"download {PUBLISHED[config.checkpoint]} there, or "
    raise UserError("no such file", config.checkpoint, f"{first}give one with --set model.checkpoint=FILE")


def create_network(
    config: ModelConfig, num_classes: int, stuff_classes: Sequence[int] = (), classes: Sequence[str] = ()
) -> tuple[StreamingModel, Optional[LoadReport]]:
    """The network of a configuration, and what came of loading its checkpoint; None where it names none.

    Args:
        config: of the network.
        num_classes: C.
        stuff_classes: indices of the classes without instances, for models that know the difference.
        classes: their names, where some may start from the checkpoint's.

    Raises:
        UserError: unknown name or options, or weights that do not fit.
    """
    try:
        stuff = {"stuff_classes": tuple(stuff_classes)} if stuff_classes else {}
        model = create_model(config.name, num_classes=num_classes, **stuff, **config.options)
    except (ValueError, TypeError) as error:
        raise UserError(str(error), fix="correct the [model] table") from error
    modules = [name for name, _ in model.named_modules()]
    for key, parts in (("fresh", config.fresh), ("by_class", config.by_class)):
        if unknown := [part for part in parts if not any(is_in(name, [part]) for name in modules)]:
            raise UserError(f"the model has no part {', '.join(sorted(unknown))}", fix=f"correct model.{key}")
    if not config.checkpoint:
        return model, None
    start = find_weights(config.checkpoint)
    report = load_weights(model, start, config.name, (*config.fresh, *config.by_class))
    if config.by_class:
        report = replace(report, classes=start_classes(model, start, config.by_class, classes, config.like))
    return model, report


def create_objective(model: StreamingModel, config: TrainConfig) -> Objective:
    """The module whose forward pass is the loss, in training mode.

    Raises:
        UserError: there is no loss for the model, or it cannot be trained as configured.
    """
    if type(model) not in OBJECTIVES:
        known = ", ".join(sorted(family.__name__ for family in OBJECTIVES))
        raise UserError(f"'{config.model.name}' has no training recipe", fix=f"train {known}")
    recipe = OBJECTIVES[type(model)]
    try:
        weights = from_table(recipe.weights, config.objective, "objective")
        objective = recipe.create(model, weights, config.clip.length)
    except (ValueError, TypeError) as error:
        raise UserError(str(error), fix="correct the configuration or the --set option") from error
    objective.train()
    if config.model.freeze_batch_norm:
        freeze_batch_norm(model)
    return objective


def create_training_set(source: FrameSource, config: TrainConfig, objective: Objective) -> TrainingSet:
    """The samples that an objective learns from.

    Raises:
        UserError: it wants pairs of frames, of a set of single images without near views.
    """
    if (
        objective.pair_gap is not None
        and config.data.format in STILL_FORMATS
        and not config.data.augment.near
    ):
        fix = "set data.augment.near, data.format to 'youtube-vis', or objective.pairs to false"
        raise UserError(f"objective.pairs needs videos, and data.format is '{config.data.format}'", fix=fix)
    return TrainingSet(source, config.data, config.run.seed, config.clip, objective.pair_gap)


def distribute(objective: Objective, device: torch.device, sync_batch_norm: bool) -> nn.Module:
    """The objective spread over the processes; itself if there is one process.

    Args:
        objective: on the device already.
        device: of this process.
        sync_batch_norm: on CUDA, take batch statistics over all processes.
    """
    if distributed.world_size() == 1:
        return objective
    if device.type == "cuda" and sync_batch_norm:
        return DistributedDataParallel(nn.SyncBatchNorm.convert_sync_batchnorm(objective))
    return DistributedDataParallel(objective)


def freeze_batch_norm(model: nn.Module) -> None:
    """Let batch norms use their running statistics, and leave these as they are."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
