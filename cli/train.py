"""``mobilevis train``: train a model from a configuration file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from mobilevis.cli.console import print_written
from mobilevis.cli.options import StrictOption

if TYPE_CHECKING:
    from mobilevis.cli.validation import HeldOutSet
    from mobilevis.training.config import TrainConfig


def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG", help="A TOML file, or a shipped configuration's name from `mobilevis list`."
        ),
    ],
    data: Annotated[
        Optional[Path],
        typer.Option(
            metavar="SET",
            help="COCO or YOLO segmentation labels to train on: a set's folder, JSON or YAML. What a folder "
            "has of held-out images validates the run.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the state saved in the run's folder.")
    ] = False,
    strict: StrictOption = False,
    overrides: Annotated[
        Optional[list[str]],
        typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Change one value; repeatable."),
    ] = None,
) -> None:
    """Train a model; with several GPUs or machines, start it with torchrun.

    Writes model.safetensors (the averaged weights, with the configuration and the training record inside),
    log.csv, tensorboard/, curves.png and the resumable state.safetensors into run.output; with a [validation]
    table also validation.csv, best.safetensors and sheets of predictions.
    """
    from rich.console import Console

    from mobilevis.cli.training_progress import show_progress
    from mobilevis.training import distributed
    from mobilevis.training.config import load_config
    from mobilevis.training.memory import keep_freed_memory
    from mobilevis.training.precision import choose_device
    from mobilevis.training.trainer import Trainer
    from mobilevis.training.validation import BEST_FILE

    loaded = load_config(config, [*_set_overrides(data), *(overrides or [])])
    keep_freed_memory()
    with distributed.process_group(choose_device(loaded.run.device)):
        trainer = Trainer(loaded, resume, strict, _held_out(loaded, strict))
        console = Console(quiet=distributed.rank() > 0)
        for note in trainer.notes:
            console.print(note, style="yellow", markup=False, soft_wrap=True)
        if trainer.initial_weights is not None and not resume:
            console.print(f"{loaded.model.checkpoint}: {trainer.initial_weights.summary()}", soft_wrap=True)
        with show_progress(console, trainer) as show:
            path = trainer.run(show.step, show.validation, show.items)
        best = path.with_name(BEST_FILE) if trainer.validation else None
        print_written(console, [path, best])


def _held_out(config: TrainConfig, strict: bool) -> Optional[HeldOutSet]:
    """What validates a run, or None; evaluators and the runtime are loaded only where it is asked for."""
    if not config.validation.enabled:
        return None
    from mobilevis.cli.validation import HeldOutSet

    return HeldOutSet(config, strict)


def _set_overrides(path: Optional[Path]) -> list[str]:
    """What ``--data`` changes of a configuration, in the form of ``--set``."""
    if path is None:
        return []
    from mobilevis.data.layouts import find_held_out, find_set

    places = {"data": find_set(path), "validation": find_held_out(path)}
    return [
        f"{table}.{key}={json.dumps(str(value))}"
        for table, place in places.items()
        if place is not None
        for key, value in place._asdict().items()
    ]
