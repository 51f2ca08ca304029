"""Two gloo processes against one with the joint batch.

Batch norms run on their fixed statistics here: those of a batch are taken for each process alone, and
SyncBatchNorm, which joins them, needs CUDA. Dropped paths are random in each process, so none are dropped.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.conftest import small_config

STEP = Path(__file__).with_name("distributed_step.py")
SAME_STATISTICS = ("model.freeze_batch_norm=true", "model.options.drop_path=0.0", "data.batch_size=4")


def step(output: Path, options: Sequence[str], *launcher: str) -> dict[str, torch.Tensor]:
    command = [sys.executable, *launcher, str(STEP), str(output.parent / "run.toml"), str(output), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return load_file(output)


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [False, True])
def test_two_processes_have_the_loss_and_gradients_of_one(
    video_set: Path, tmp_path: Path, pairs: bool
) -> None:
    options = (*SAME_STATISTICS, f"objective.pairs={str(pairs).lower()}")
    small_config(video_set, tmp_path / "run")
    alone = step(tmp_path / "alone.safetensors", options)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    together = step(tmp_path / "together.safetensors", options, *torchrun)
    assert alone.keys() == together.keys()
    torch.testing.assert_close(together["loss"], alone["loss"], rtol=1e-5, atol=0)
    for name, gradient in alone.items():
        torch.testing.assert_close(
            together[name], gradient, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
        )
