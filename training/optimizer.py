"""AdamW with the paper's parameter groups: a slower backbone, no weight decay on normalisation layers."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW, Optimizer

from mobilevis.models.layers import GroupNorm, LayerNorm
from mobilevis.training.config import OptimizerConfig

_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, GroupNorm, LayerNorm)


def create_optimizer(objective: nn.Module, config: OptimizerConfig) -> AdamW:
    """AdamW over the trainable parameters; each group keeps its own base rate in ``initial_lr``.

    Args:
        objective: its parameters under ``model.backbone.`` take the rate times
            ``config.backbone_multiplier``.
        config: rates and decay.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    normalisation = {
        id(parameter)
        for module in objective.modules()
        if isinstance(module, _NORMS)
        for parameter in module.parameters(recurse=False)
    }
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            key = (name.startswith("model.backbone."), id(parameter) in normalisation)
            groups.setdefault(key, []).append(parameter)
    return AdamW(
        [
            {
                "params": parameters,
                "lr": (rate := config.learning_rate * (config.backbone_multiplier if in_backbone else 1.0)),
                "initial_lr": rate,
                "weight_decay": 0.0 if is_norm else config.weight_decay,
            }
            for (in_backbone, is_norm), parameters in groups.items()
        ]
    )


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Give every group its base rate times ``factor``."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
