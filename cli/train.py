"""``mobilevis train``: train a model from a configuration file."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from mobilevis.cli.console import print_written


def train(
    config: Annotated[
        str, typer.Argument(help="A TOML file, or the name of a shipped configuration such as synth-frames.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the state saved in the run's folder.")
    ] = False,
    overrides: Annotated[
        Optional[list[str]],
        typer.Option("--set", help="Change one value: table.key=value. May be given several times."),
    ] = None,
) -> None:
    """Train a model; with several GPUs or machines, start it with torchrun.

    Writes model.safetensors (the averaged weights, with the configuration and the training record inside),
    log.csv, tensorboard/, curves.png and the resumable state.safetensors into run.output.
    """
    from rich.console import Console

    from mobilevis.cli.stream import progress_bar
    from mobilevis.training import distributed
    from mobilevis.training.config import load_config
    from mobilevis.training.precision import choose_device
    from mobilevis.training.trainer import StepReport, Trainer

    loaded = load_config(config, overrides or [])
    with distributed.process_group(choose_device(loaded.run.device)):
        trainer = Trainer(loaded, resume)
        console = Console(quiet=distributed.rank() > 0)
        if trainer.initial_weights is not None and not resume:
            console.print(f"{loaded.model.checkpoint}: {trainer.initial_weights.summary()}", soft_wrap=True)
        with progress_bar(console) as progress:
            task = progress.add_task("training", total=trainer.end)

            def show(report: StepReport) -> None:
                losses = "  ".join(f"{name} {value:.3f}" for name, value in report.values.items())
                progress.update(task, completed=report.iteration, description=losses)

            path = trainer.run(show)
        print_written(console, [path])
