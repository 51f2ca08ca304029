"""AdamW with the paper's parameter groups: parts with rates of their own, norms without weight decay."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import AdamW, Optimizer

from mobilevis.models.blocks.layers import GroupNorm, LayerNorm
from mobilevis.models.weights.matching import is_in
from mobilevis.runtime.errors import UserError
from mobilevis.training.config import OptimizerConfig

_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, GroupNorm, LayerNorm)


def create_optimizer(objective: nn.Module, config: OptimizerConfig) -> AdamW:
    """AdamW over the trainable parameters; each group keeps its own base rate in ``initial_lr``.

    Args:
        objective: its parts in ``multipliers`` take the rate times their factor, wherever they stand; those
            with a factor of 0 are frozen, so that no gradient is computed for them.
        config: rates and decay.

    Raises:
        UserError: the model has no such part.
    """
    modules = [name for name, _ in objective.named_modules()]
    if unknown := [part for part in config.multipliers if not any(is_in(name, [part]) for name in modules)]:
        raise UserError(f"the model has no part {unknown[0]}", fix="correct optimizer.multipliers")
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    normalisation = {
        id(parameter)
        for module in objective.modules()
        if isinstance(module, _NORMS)
        for parameter in module.parameters(recurse=False)
    }
    for name, parameter in objective.named_parameters():
        part = _innermost(name, config.multipliers)
        if config.multipliers.get(part) == 0:
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            groups.setdefault((part, id(parameter) in normalisation), []).append(parameter)
    return AdamW(
        [
            {
                "params": parameters,
                "lr": (rate := config.learning_rate * config.multipliers.get(part, 1.0)),
                "initial_lr": rate,
                "weight_decay": 0.0 if is_norm else config.weight_decay,
            }
            for (part, is_norm), parameters in groups.items()
        ]
    )


def _innermost(name: str, parts: Iterable[str]) -> str:
    """The part that a parameter belongs to, its own before its whole's; "" for none."""
    holding = [part for part in parts if is_in(name, [part])]
    return max(holding, key=lambda part: f".{name}.".rindex(f".{part}.") + len(part), default="")


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Give every group its base rate times ``factor``."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
