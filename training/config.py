"""What a training run is made of: a TOML file, read into validated dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobilevis.runtime.errors import UserError
from mobilevis.training.checks import require, require_known
from mobilevis.training.recipes import find_recipe, read_recipe, refuse_old_keys
from mobilevis.training.samples.config import DATA_FORMATS, ClipConfig, DataConfig
from mobilevis.training.toml import apply_override, from_table

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
SCHEDULES = ("step", "cosine")


@dataclass(frozen=True)
class ModelConfig:
    """The network and the weights it starts from.

    Attributes:
        name: a name of the model registry.
        options: the family's own options, passed to the registry; the number of classes comes from the data.
        checkpoint: weights to start from (.safetensors, an official backbone file, or the name of a model
            whose weights ship), this model's or those of one that it extends; "" starts from random ones.
        fresh: names of the model's parts, such as ``routers`` or ``class_logits``, that start from random
            weights all the same, wherever in the model they stand.
        by_class: names of parts with one row a class, such as ``class_logits``: a class of the data starts
            from the checkpoint's class of its name, others from random weights.
        like: class of the data → another class of the checkpoint that it starts from in ``by_class``.
        freeze_batch_norm: keep the batch norms' statistics as they are, as fine-tuning with small batches
            needs.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    checkpoint: str = ""
    fresh: tuple[str, ...] = ()
    by_class: tuple[str, ...] = ()
    like: dict[str, str] = field(default_factory=dict)
    freeze_batch_norm: bool = False


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW.

    Attributes:
        learning_rate: the base rate.
        multipliers: name of a part of the model, such as ``backbone`` → factor of its rate; a part within
            a part may have its own, and 0 freezes it.
        weight_decay: decoupled decay; normalisation layers have none.
        clip_norm: largest norm of the gradient; 0 does not clip.
        ema_decay: decay of the averaged weights that are shipped; 0 ships the raw weights.
    """

    learning_rate: float = 1e-4
    multipliers: dict[str, float] = field(default_factory=lambda: {"backbone": 0.5})
    weight_decay: float = 0.05
    clip_norm: float = 0.0
    ema_decay: float = 0.0

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "optimizer.learning_rate must be positive")
        require(min(self.multipliers.values(), default=0) >= 0, "optimizer.multipliers must be ≥ 0")
        require(min(self.weight_decay, self.clip_norm) >= 0, "weight_decay and clip_norm must be ≥ 0")
        require(0 <= self.ema_decay < 1, "optimizer.ema_decay must lie in [0, 1)")


@dataclass(frozen=True)
class ScheduleConfig:
    """How long to train and how the learning rate falls.

    Attributes:
        iterations: length in optimiser steps; or
        epochs: length in passes over the data.
        kind: "step" or "cosine".
        milestones: "step": where the rate falls, in iterations or in epochs like the length.
        gamma: "step": factor at each milestone.
        warmup: iterations of linear warm-up.
    """

    iterations: int = 0
    epochs: int = 0
    kind: str = "step"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    warmup: int = 0

    def __post_init__(self) -> None:
        require_known(self.kind, SCHEDULES, "schedule.kind")
        require(
            (self.iterations > 0) != (self.epochs > 0), "schedule needs either iterations or epochs, positive"
        )
        require(self.warmup >= 0, "schedule.warmup must not be negative")
        require(list(self.milestones) == sorted(self.milestones), "schedule.milestones must ascend")


@dataclass(frozen=True)
class RunConfig:
    """Where and how the run happens.

    Attributes:
        output: folder of the logs, the resumable state and the final checkpoint.
        seed: seed of the weights, the order of the data and the augmentation.
        device: "auto", or a torch device such as "cpu" or "cuda".
        precision: "fp32"; "bf16" or "fp16" autocast; "auto" is bf16 or fp16 on CUDA and fp32 on the CPU.
        threads: torch threads; 0 leaves torch's choice.
        log_every: iterations between log rows.
        checkpoint_every: iterations between saved states: what a killed run loses at most.
        stop_at: end here and save the model, with the schedule of the whole run; 0 trains to the end.
        sync_batch_norm: with several CUDA processes, take batch statistics over all of them.
    """

    output: str
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    log_every: int = 20
    checkpoint_every: int = 1000
    stop_at: int = 0
    sync_batch_norm: bool = True

    def __post_init__(self) -> None:
        require_known(self.precision, PRECISIONS, "run.precision")
        require(self.seed >= 0 and self.threads >= 0, "run.seed and run.threads must not be negative")
        require(self.stop_at >= 0, "run.stop_at must not be negative")
        require(
            min(self.log_every, self.checkpoint_every) > 0, "run.log_every and checkpoint_every must be > 0"
        )


@dataclass(frozen=True)
class ValidationConfig:
    """What is measured while a run goes on, of the weights that ship; without annotations, nothing is.

    A recipe may say how, for those who give it a set.

    Attributes:
        annotations: the JSON file of a set that is held out, with the classes of ``data``.
        images: the folder its file names are relative to.
        format: as ``data.format``, and by default the same: "coco" and "yolo-seg" measure mask AP on stills,
            "youtube-vis" AP of tracks, "vipseg" VPQ.
        every: iterations between validations; the last iteration has one, too.
        input_size: (height, width) of the network's input; (0, 0) takes ``data.canvas``.
        options: of the driver that runs the model, as ``mobilevis bench accuracy --option`` takes them.
        sheet_size: images or videos on the sheet of predictions; "vipseg" has no sheet.
        sheet_score: least score of a prediction on the sheet.
    """

    annotations: str = ""
    images: str = ""
    format: str = ""
    every: int = 1000
    input_size: tuple[int, int] = (0, 0)
    options: dict[str, Any] = field(default_factory=dict)
    sheet_size: int = 8
    sheet_score: float = 0.3

    def __post_init__(self) -> None:
        if self.format:
            require_known(self.format, DATA_FORMATS, "validation.format")
        require(self.every > 0, "validation.every must be positive")
        require(0 <= self.sheet_size <= 64, "validation.sheet_size must lie in [0, 64]")
        require(0 <= self.sheet_score <= 1, "validation.sheet_score must lie in [0, 1]")
        require(self.input_size == (0, 0) or min(self.input_size) > 0, "validation.input_size must be > 0")
        require(bool(self.annotations) == bool(self.images), "validation needs annotations and images")

    @property
    def enabled(self) -> bool:
        """Whether anything is measured."""
        return bool(self.annotations)


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run; each attribute is a table of the TOML file.

    Attributes:
        model: the network.
        data: the data set.
        schedule: how long.
        run: where and how.
        clip: frames of a sample.
        objective: the family's own loss; see the dataclasses in ``training/objectives/registry.py``.
        optimizer: the rates.
        validation: what is measured while it goes on.
    """

    model: ModelConfig
    data: DataConfig
    schedule: ScheduleConfig
    run: RunConfig
    clip: ClipConfig = field(default_factory=ClipConfig)
    objective: dict[str, Any] = field(default_factory=dict)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        if self.validation.enabled:
            require(self.validation_size != (0, 0), "validation needs input_size where data has no canvas")

    @property
    def validation_size(self) -> tuple[int, int]:
        """(height, width) of the input that is validated with."""
        given = self.validation.input_size
        return self.data.canvas if given == (0, 0) else given

    @property
    def validation_format(self) -> str:
        """Of the held-out set, a name in ``DATA_FORMATS``."""
        return self.validation.format or self.data.format


def load_config(source: str | Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a configuration, with those that it extends.

    Args:
        source: a TOML file, or the name of a shipped one (``coco`` for ``training/configs/coco.toml``).
        overrides: ``table.key=value``, the value in TOML syntax, or a bare string.

    Raises:
        UserError: no such configuration, an unknown key (the known ones are listed), a value out of range.
    """
    path = find_recipe(source)
    table = read_recipe(path)
    for override in overrides:
        apply_override(table, override)
    try:
        refuse_old_keys(table)
        config = from_table(TrainConfig, table)
        # Without annotations the keys of a recipe wait for a set; those of the command line want one.
        asked = any(override.strip().startswith("validation.") for override in overrides)
        require(config.validation.enabled or not asked, "'validation.annotations' is missing")
        return config
    except ValueError as error:
        raise UserError(str(error), path, "correct the configuration or the --set option") from error
