"""One training step, alone or under torchrun, for the distributed test: writes the loss and the gradients."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from mobilevis.training import distributed
from mobilevis.training.config import load_config
from mobilevis.training.trainer import Trainer


def main(config: str, output: str, *overrides: str) -> None:
    with distributed.process_group(torch.device("cpu")):
        trainer = Trainer(load_config(Path(config), overrides))
        report = next(trainer._steps())
        tensors = {
            name: p.grad for name, p in trainer.state.objective.named_parameters() if p.grad is not None
        }
        tensors["loss"] = torch.tensor(report.values["loss"], dtype=torch.float64)
        if distributed.rank() == 0:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
