"""The resumable state of a training run: one safetensors file, replaced whole, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import atomic_path
from mobilevis.training.ema import WeightAverage

STATE_FILE = "state.safetensors"
_OTHER_MODEL = "resume with the model that the run began with"


@dataclass
class TrainingState:
    """What a run needs to go on bit for bit.

    Attributes:
        model: the network; its raw weights.
        optimizer: its per-parameter state; rates follow from the iteration.
        average: the averaged weights, if any.
        scaler: the fp16 loss scaler, if any.
        iteration: completed optimiser steps.
    """

    model: nn.Module
    optimizer: Optimizer
    average: WeightAverage | None
    scaler: torch.amp.GradScaler | None
    iteration: int = 0


def save_state(state: TrainingState, path: Path, config: Mapping[str, Any]) -> None:
    """Write state, random generators and configuration; an older file stays whole until it is replaced."""
    about = {
        "iteration": state.iteration,
        "config": config,
        "average_updates": state.average.updates if state.average else 0,
        "scaler": state.scaler.state_dict() if state.scaler else {},
    }
    tensors = {**_weights(state), **_moments(state), **_random_states()}
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(copies, temporary, metadata={"state": json.dumps(about)})


def load_state(state: TrainingState, path: Path, config: Mapping[str, Any]) -> None:
    """Restore, in place, what :func:`save_state` wrote.

    Args:
        state: of the same model and optimiser.
        path: the file.
        config: must equal the configuration that was saved: the rest of another run would be neither.

    Raises:
        UserError: the file is not a training state, or belongs to another configuration or model.
    """
    about = _read_about(path)
    # Through JSON, as the saved one went: tuples become lists.
    if changed := _differences(json.loads(json.dumps(config)), about["config"]):
        fix = "resume with the configuration that the run began with, or start without --resume"
        raise UserError(f"the run was started with another {', '.join(changed)}", path, fix)
    with safe_open(path, framework="pt") as file:
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    weights = _weights(state)
    moments = _saved_moments(saved, dict(state.model.named_parameters()), path)
    for name, tensor in weights.items():
        if name not in saved or saved[name].shape != tensor.shape:
            raise UserError(f"the training state does not fit the model at '{name}'", path, _OTHER_MODEL)
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(saved[name])
    state.optimizer.state.update(moments)
    state.iteration = int(about["iteration"])
    if state.average:
        state.average.updates = int(about["average_updates"])
    if state.scaler:
        state.scaler.load_state_dict(about["scaler"])
    torch.set_rng_state(saved["random/cpu"])
    if torch.cuda.is_available() and "random/cuda" in saved:
        torch.cuda.set_rng_state(saved["random/cuda"])


def _differences(new: Any, old: Any, where: str = "") -> list[str]:
    if isinstance(new, dict) and isinstance(old, dict):
        keys = sorted({*new, *old})
        return [
            name for k in keys for name in _differences(new.get(k), old.get(k), f"{where}.{k}".strip("."))
        ]
    return [] if new == old else [where]


def _saved_moments(
    saved: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter], path: Path
) -> dict[nn.Parameter, dict[str, Tensor]]:
    moments: dict[nn.Parameter, dict[str, Tensor]] = {}
    for full_name, tensor in saved.items():
        if not full_name.startswith("optimizer/"):
            continue
        name, _, key = full_name.removeprefix("optimizer/").rpartition("/")
        parameter = parameters.get(name)
        # AdamW counts its steps in a scalar that stays on the CPU; the moments are shaped like the parameter.
        if parameter is None or tensor.shape not in (parameter.shape, torch.Size()):
            raise UserError(f"the training state does not fit the model at '{name}'", path, _OTHER_MODEL)
        moments.setdefault(parameter, {})[key] = tensor if key == "step" else tensor.to(parameter.device)
    return moments


def _read_about(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["state"])
    except FileNotFoundError as error:
        raise UserError("no training state to resume", path, "start without --resume") from error
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise UserError("not a training state", path, "start without --resume") from error
    if not isinstance(about, dict) or not {"iteration", "config", "average_updates", "scaler"} <= set(about):
        raise UserError("not a training state", path, "start without --resume")
    return about


def _weights(state: TrainingState) -> dict[str, Tensor]:
    tensors = {f"model/{name}": tensor for name, tensor in state.model.state_dict().items()}
    if state.average:
        tensors.update({f"average/{name}": tensor for name, tensor in state.average.state.items()})
    return tensors


def _moments(state: TrainingState) -> dict[str, Tensor]:
    return {
        f"optimizer/{name}/{key}": value
        for name, parameter in state.model.named_parameters()
        for key, value in state.optimizer.state.get(parameter, {}).items()
    }


def _random_states() -> dict[str, Tensor]:
    states = {"random/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random/cuda"] = torch.cuda.get_rng_state()
    return states
