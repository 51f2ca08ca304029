"""What a training run is made of: a TOML file, read into validated dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobilevis.runtime.errors import UserError
from mobilevis.training.recipes import find_recipe, read_recipe, refuse_old_keys
from mobilevis.training.toml import apply_override, from_table

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
DATA_FORMATS = ("coco", "youtube-vis", "vipseg")
SCHEDULES = ("step", "cosine")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _require_known(value: str, known: Sequence[str], what: str) -> None:
    _require(value in known, f"unknown {what} '{value}'; known: {', '.join(known)}")


@dataclass(frozen=True)
class ModelConfig:
    """The network and the weights it starts from.

    Attributes:
        name: a name of the model registry.
        options: the family's own options, passed to the registry; the number of classes comes from the data.
        checkpoint: weights to start from (.safetensors or an official backbone file), this model's or those
            of one that it extends; "" starts from random ones.
        fresh: names of the model's parts, such as ``routers``, that start from random weights all the same.
        freeze_batch_norm: keep the batch norms' statistics as they are, as fine-tuning with small batches
            needs.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    checkpoint: str = ""
    fresh: tuple[str, ...] = ()
    freeze_batch_norm: bool = False


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of a sample; both frames of a pair share them.

    Attributes:
        flip: probability of a left-right flip.
        scale: (low, high) of a random factor on the resize; above 1 the frame is cropped, below 1 it is
            padded.
        colour: largest relative change of brightness, contrast and saturation.
        hue: largest turn of all hues, in degrees.
    """

    flip: float = 0.5
    scale: tuple[float, float] = (1.0, 1.0)
    colour: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        _require(0 <= self.flip <= 1, "augment.flip must lie in [0, 1]")
        _require(0 < self.scale[0] <= self.scale[1], "augment.scale must be (low, high) with 0 < low ≤ high")
        _require(0 <= self.colour < 1, "augment.colour must lie in [0, 1)")
        _require(0 <= self.hue <= 180, "augment.hue must lie in [0, 180] degrees")


@dataclass(frozen=True)
class DataConfig:
    """The data set and how its frames become batches.

    Attributes:
        format: "coco" (images), "youtube-vis" (videos; also OVIS and the synthetic sets) or "vipseg"
            (panoptic videos, whose classes tell the model which of them are stuff).
        annotations: the JSON file.
        images: the folder its file names are relative to.
        batch_size: samples (frames, or pairs of frames) of a step, over all processes.
        canvas: (height, width) that every frame is fitted into; or (0, 0) to choose the short side at random.
        short_sides: with no canvas: the short sides to choose from; a batch is padded to its largest frame.
        long_side: with no canvas: upper bound of the long side.
        workers: loader processes; 0 loads in the training process.
        cache: keep decoded frames in memory; for sets that fit.
        augment: random changes.
    """

    format: str
    annotations: str
    images: str
    batch_size: int
    canvas: tuple[int, int] = (0, 0)
    short_sides: tuple[int, ...] = ()
    long_side: int = 0
    workers: int = 0
    cache: bool = False
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        _require_known(self.format, DATA_FORMATS, "data.format")
        _require(self.batch_size > 0, "data.batch_size must be positive")
        _require(self.workers >= 0, "data.workers must not be negative")
        if self.canvas == (0, 0):
            _require(bool(self.short_sides) and min(self.short_sides) > 0, "data needs canvas or short_sides")
            _require(self.long_side >= max(self.short_sides), "data.long_side is less than a short side")
        else:
            _require(not self.short_sides, "data.canvas and data.short_sides exclude each other")
            _require(
                min(self.canvas) > 0 and not any(side % 64 for side in self.canvas),
                "data.canvas must be multiples of 64",
            )


@dataclass(frozen=True)
class ClipConfig:
    """Training on clips, for models that read several frames at once.

    Attributes:
        length: frames of a clip; a video that is shorter repeats its last one.
        stride: frames from one of a clip to the next.
        still: probability of a clip that repeats its first frame, as a camera sees that stands still.
    """

    length: int = 1
    stride: int = 1
    still: float = 0.0

    def __post_init__(self) -> None:
        _require(min(self.length, self.stride) > 0, "clip.length and clip.stride must be positive")
        _require(0 <= self.still <= 1, "clip.still is a probability")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW.

    Attributes:
        learning_rate: the base rate.
        multipliers: name of a part of the model, such as ``backbone`` → factor of its rate.
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
        _require(self.learning_rate > 0, "optimizer.learning_rate must be positive")
        _require(min(self.multipliers.values(), default=0) >= 0, "optimizer.multipliers must be ≥ 0")
        _require(min(self.weight_decay, self.clip_norm) >= 0, "weight_decay and clip_norm must be ≥ 0")
        _require(0 <= self.ema_decay < 1, "optimizer.ema_decay must lie in [0, 1)")


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
        _require_known(self.kind, SCHEDULES, "schedule.kind")
        _require(
            (self.iterations > 0) != (self.epochs > 0), "schedule needs either iterations or epochs, positive"
        )
        _require(self.warmup >= 0, "schedule.warmup must not be negative")
        _require(list(self.milestones) == sorted(self.milestones), "schedule.milestones must ascend")


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
        _require_known(self.precision, PRECISIONS, "run.precision")
        _require(self.seed >= 0 and self.threads >= 0, "run.seed and run.threads must not be negative")
        _require(self.stop_at >= 0, "run.stop_at must not be negative")
        _require(
            min(self.log_every, self.checkpoint_every) > 0, "run.log_every and checkpoint_every must be > 0"
        )


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
    """

    model: ModelConfig
    data: DataConfig
    schedule: ScheduleConfig
    run: RunConfig
    clip: ClipConfig = field(default_factory=ClipConfig)
    objective: dict[str, Any] = field(default_factory=dict)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


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
        return from_table(TrainConfig, table)
    except ValueError as error:
        raise UserError(str(error), path, "correct the configuration or the --set option") from error
