"""AdamW with the paper's parameter groups: parts with rates of their own, norms without weight decay."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW, Optimizer

from mobilevis.models.blocks.layers import GroupNorm, LayerNorm
from mobilevis.runtime.errors import UserError
from mobilevis.training.config import OptimizerConfig

_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, GroupNorm, LayerNorm)


def create_optimizer(objective: nn.Module, config: OptimizerConfig) -> AdamW:
    """AdamW over the trainable parameters; each group keeps its own base rate in ``initial_lr``.

    Args:
        objective: its ``model``'s parts in ``multipliers`` take the rate times their factor.
        config: rates and decay.

    Raises:
        UserError: the model has no such part.
    """
    multipliers = {f"model.{part}.": factor for part, factor in config.multipliers.items()}
    prefixes = sorted(multipliers, key=len, reverse=True)  # a part's own factor before its whole's
    parts = {f"{name}." for name, _ in objective.named_modules()}
    if unknown := [prefix for prefix in prefixes if prefix not in parts]:
        what = f"the model has no part {unknown[0].removeprefix('model.').rstrip('.')}"
        raise UserError(what, fix="correct optimizer.multipliers")
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    normalisation = {
        id(parameter)
        for module in objective.modules()
        if isinstance(module, _NORMS)
        for parameter in module.parameters(recurse=False)
    }
    for name, parameter in objective.named_parameters():
        if parameter.requires_grad:
            part = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
            groups.setdefault((part, id(parameter) in normalisation), []).append(parameter)
    return AdamW(
        [
            {
                "params": parameters,
                "lr": (rate := config.learning_rate * multipliers.get(part, 1.0)),
                "initial_lr": rate,
                "weight_decay": 0.0 if is_norm else config.weight_decay,
            }
            for (part, is_norm), parameters in groups.items()
        ]
    )


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Give every group its base rate times ``factor``."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
