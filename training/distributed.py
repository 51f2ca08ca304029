"""Training on several processes, as ``torchrun`` starts them, one for each GPU (or CPU share)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

# The other processes wait for the first one's gradients while it validates; NCCL would give up after 10
# minutes. A process that dies is noticed by torchrun itself.
VALIDATION_BOUND = timedelta(hours=12)


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the group that ``torchrun`` set up, for the duration of the block; without torchrun, do nothing.

    Args:
        device: where the run computes; of several GPUs each process of a machine takes its own.
    """
    if not dist.is_torchelastic_launched():
        yield
        return
    if device.type == "cuda":
        # torchrun tells a process its place on the machine in this way only.
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=VALIDATION_BOUND)
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """This process's number; 0 when it is alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes; 1 when alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over all processes; the tensor itself when alone."""
    if world_size() == 1:
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / world_size()
