"""The resumable state of a training run: one safetensors file, replaced whole, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilevis.models.weights.tensor_files import TensorFile, read_safetensors, write_safetensors
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import file_exists
from mobilevis.training.ema import WeightAverage
from mobilevis.training.objectives.base import Objective

STATE_FILE = "state.safetensors"
METADATA_KEY = "mobilevis_training_state"
_OTHER_MODEL = "resume with the model that the run began with"
_DAMAGED = "start afresh in another folder: --set run.output=FOLDER"
_MOMENTS = {"step", "exp_avg", "exp_avg_sq"}  # of AdamW


@dataclass
class TrainingState:
    """What a run needs to go on bit for bit.

    Attributes:
        objective: the trained module, with the network's raw weights.
        optimizer: its per-parameter state; rates follow from the iteration.
        average: the averaged weights, if any.
        scaler: the fp16 loss scaler, if any.
        iteration: completed optimiser steps.
    """

    objective: Objective
    optimizer: Optimizer
    average: Optional[WeightAverage]
    scaler: Optional[torch.amp.GradScaler]
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
    write_safetensors(copies, path, {METADATA_KEY: json.dumps(about)})


def load_state(state: TrainingState, path: Path, config: Mapping[str, Any]) -> None:
    """Restore, in place, what :func:`save_state` wrote.

    Args:
        state: of the same model and optimiser.
        path: the file.
        config: must equal the configuration that was saved: the rest of another run would be neither.

    Raises:
        UserError: the file is not a training state, or belongs to another configuration or model.
    """
    if not file_exists(path):
        fix = "start without --resume, in a new folder: --set run.output=FOLDER"
        raise UserError("no training state to resume", path, fix)
    file = read_safetensors(path)
    about, saved = _parse_about(file, path), file.tensors
    asked = json.loads(json.dumps(config))  # as the saved one went: tuples become lists
    # A run that was not validated so far, or by a version that could not, may begin to be.
    begun = {**about["config"], "validation": about["config"].get("validation") or asked.get("validation")}
    if changed := _differences(asked, begun):
        fix = "resume with the configuration that the run began with, or start in another folder"
        raise UserError(f"the run was started with another {', '.join(changed)}", path, fix)
    weights = _weights(state)
    moments = _restore_moments(saved, dict(state.objective.named_parameters()), path)
    for name, tensor in weights.items():
        found = saved.get(name)
        if found is None or found.shape != tensor.shape or found.dtype != tensor.dtype:
            raise UserError(f"the training state does not fit the model at '{name}'", path, _OTHER_MODEL)
        if found.is_floating_point() and not bool(found.isfinite().all()):
            raise UserError(f"{name} holds NaN or infinity", path, _DAMAGED)
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(saved[name])
    for parameter, tensors in moments.items():
        state.optimizer.state[parameter] = tensors
    state.iteration = about["iteration"]
    try:
        if state.average:
            state.average.updates = about["average_updates"]
        if state.scaler:
            state.scaler.load_state_dict(about["scaler"])
        torch.set_rng_state(saved["random/cpu"])
        if torch.cuda.is_available() and "random/cuda" in saved:
            torch.cuda.set_rng_state(saved["random/cuda"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"broken training state: {str(error)[:80]}", path, _DAMAGED) from error


def _differences(new: Any, old: Any, where: str = "") -> list[str]:
    if isinstance(new, dict) and isinstance(old, dict):
        keys = sorted({*new, *old})
        return [
            name for k in keys for name in _differences(new.get(k), old.get(k), f"{where}.{k}".strip("."))
        ]
    return [] if new == old else [where]


def _restore_moments(
    saved: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter], path: Path
) -> dict[nn.Parameter, dict[str, Tensor]]:
    moments: dict[nn.Parameter, dict[str, Tensor]] = {}
    for full_name, tensor in saved.items():
        if not full_name.startswith("optimizer/"):
            continue
        name, _, key = full_name.removeprefix("optimizer/").rpartition("/")
        parameter = parameters.get(name)
        # AdamW counts its steps in a scalar that stays on the CPU; the moments are shaped like the parameter.
        shape = torch.Size() if key == "step" or parameter is None else parameter.shape
        if parameter is None or tensor.shape != shape or not tensor.is_floating_point():
            raise UserError(f"the training state does not fit the model at '{name}'", path, _OTHER_MODEL)
        moments.setdefault(parameter, {})[key] = tensor if key == "step" else tensor.to(parameter.device)
    if any(tensors.keys() != _MOMENTS for tensors in moments.values()):
        raise UserError(f"a parameter has other moments than {', '.join(sorted(_MOMENTS))}", path, _DAMAGED)
    return moments


def _parse_about(file: TensorFile, path: Path) -> dict[str, Any]:
    try:
        about = json.loads(file.metadata[METADATA_KEY])
    except (ValueError, KeyError, RecursionError) as error:
        raise UserError("not a training state", path, _DAMAGED) from error
    kinds = {"iteration": int, "average_updates": int, "config": dict, "scaler": dict}
    if not isinstance(about, dict) or any(type(about.get(key)) is not kind for key, kind in kinds.items()):
        raise UserError("not a training state", path, _DAMAGED)
    if min(about["iteration"], about["average_updates"]) < 0:
        raise UserError("broken training state: a count is negative", path, _DAMAGED)
    return about


def _weights(state: TrainingState) -> dict[str, Tensor]:
    tensors = {f"objective/{name}": tensor for name, tensor in state.objective.state_dict().items()}
    if state.average:
        tensors.update({f"average/{name}": tensor for name, tensor in state.average.state.items()})
    return tensors


def _moments(state: TrainingState) -> dict[str, Tensor]:
    return {
        f"optimizer/{name}/{key}": value
        for name, parameter in state.objective.named_parameters()
        for key, value in state.optimizer.state.get(parameter, {}).items()
    }


def _random_states() -> dict[str, Tensor]:
    states = {"random/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random/cuda"] = torch.cuda.get_rng_state()
    return states
