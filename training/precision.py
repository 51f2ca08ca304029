"""Mixed precision: which number format a run computes in, and the contexts that bring it about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

import torch
from torch import Tensor, nn

from mobilevis.runtime.errors import UserError

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The device of a configuration: "auto" is the current CUDA device where there is one, else the CPU.

    Raises:
        UserError: the device is unknown or absent.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"cannot use device '{name}'", fix="set run.device to auto, cpu or cuda") from error
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """The precision of a configuration on a device: "auto" is mixed on CUDA and fp32 on the CPU.

    Raises:
        UserError: fp16 on the CPU, whose range needs a loss scaler that only CUDA has.
    """
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if name == "fp16" and device.type != "cuda":
        raise UserError("fp16 training needs CUDA", fix="set run.precision to bf16 or fp32")
    return name


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which the forward pass runs."""
    return torch.autocast(device.type, _TYPES.get(precision, torch.bfloat16), enabled=precision != "fp32")


def spare_depthwise(model: nn.Module) -> None:
    """Compute a model's depthwise convolutions in fp32 even inside ``autocast``.

    On the CPU oneDNN has no fast bf16 gradient for them: a step of MobileInst-TopFormer-tiny on 192x384 took
    517 ms with all of it in bf16, 440 with these in fp32 and 688 with everything in fp32.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.forward = _in_fp32(module.forward)  # type: ignore[method-assign, assignment]


def _in_fp32(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return forward(x.float())

    return run


def create_scaler(precision: str, device: torch.device) -> Optional[torch.amp.GradScaler]:
    """The loss scaler that fp16 needs; None for the others."""
    return torch.amp.GradScaler(device.type) if precision == "fp16" else None
