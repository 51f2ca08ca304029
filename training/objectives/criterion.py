"""What criteria share: the number of instances that a loss is divided by, and the matched masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevis.training.distributed import mean_over_processes
from mobilevis.training.objectives.matcher import Assignment, Target


def instance_count(instances: int, device: torch.device) -> Tensor:
    """The number of instances a process's loss is divided by: the mean over the processes, at least 1.

    Gradients are averaged over processes; with this count the average equals one process's gradient on the
    joint batch.
    """
    return mean_over_processes(torch.tensor(float(instances), device=device)).clamp(min=1)


def gather_masks(
    mask_logits: Tensor, targets: Sequence[Target], assignments: Sequence[Assignment]
) -> tuple[Tensor, Tensor]:
    """The matched masks of a batch, flattened: logits (K, P) float32 and targets (K, P), P = h·w."""
    logits = [row[assignment.queries] for row, assignment in zip(mask_logits, assignments)]
    masks = [target.masks[assignment.instances] for target, assignment in zip(targets, assignments)]
    return torch.cat(logits).flatten(1).float(), torch.cat(masks).flatten(1)


def one_hot(class_logits: Tensor, targets: Sequence[Target], assignments: Sequence[Assignment]) -> Tensor:
    """Class targets (B, N, C): a 1 where a matched query meets its instance's class, 0 elsewhere."""
    result = torch.zeros_like(class_logits)
    for row, target, assignment in zip(result, targets, assignments):
        row[assignment.queries] = F.one_hot(target.labels[assignment.instances], row.shape[1]).to(row.dtype)
    return result
