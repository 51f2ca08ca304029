"""A training state that is not what was saved ends in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mobilevis.models.weights.tensor_files import read_safetensors
from mobilevis.runtime.errors import UserError
from mobilevis.training.state import METADATA_KEY, TrainingState, load_state, save_state

CONFIG = {"a": 1}
WEIGHT = "optimizer/model.weight"


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 2)


def new_state() -> Any:
    objective: Any = Line()
    return TrainingState(objective, torch.optim.AdamW(objective.parameters()), None, None)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The state after one step."""
    state = new_state()
    state.objective.model(torch.ones(1, 2)).sum().backward()
    state.optimizer.step()
    state.iteration = 1
    save_state(state, tmp_path / "state.safetensors", CONFIG)
    return tmp_path / "state.safetensors"


def rewrite(path: Path, change: Callable[[dict[str, Tensor], dict[str, Any]], Any]) -> None:
    """Change a state's tensors and metadata in place; what is returned replaces the metadata."""
    file = read_safetensors(path)
    tensors, about = dict(file.tensors), json.loads(file.metadata[METADATA_KEY])
    raw = change(tensors, about)
    text = raw if isinstance(raw, str) else json.dumps(about)
    save_file(tensors, path, metadata={METADATA_KEY: text})


def test_what_was_saved_is_loaded(saved: Path) -> None:
    state = new_state()
    load_state(state, saved, CONFIG)
    assert state.iteration == 1
    assert len(state.optimizer.state) == 2


TENSORS = {
    "no generator state": lambda t: t.pop("random/cpu"),
    "a short generator state": lambda t: t.update({"random/cpu": t["random/cpu"][:9].clone()}),
    "a moment is missing": lambda t: t.pop(f"{WEIGHT}/exp_avg"),
    "a step is missing": lambda t: t.pop(f"{WEIGHT}/step"),
    "an unknown moment": lambda t: t.update({f"{WEIGHT}/evil": torch.zeros(2, 2)}),
    "a moment of integers": lambda t: t.update({f"{WEIGHT}/exp_avg": torch.ones(2, 2).long()}),
    "a moment of another shape": lambda t: t.update({f"{WEIGHT}/exp_avg": torch.ones(3)}),
    "weights of integers": lambda t: t.update({"objective/model.bias": torch.ones(2).long()}),
    "weights that are not finite": lambda t: t.update({"objective/model.bias": torch.ones(2) / 0}),
    "no weights": lambda t: t.pop("objective/model.bias"),
}


@pytest.mark.parametrize("change", TENSORS.values(), ids=TENSORS)
def test_tensors_of_another_state_are_refused(
    saved: Path, change: Callable[[dict[str, Tensor]], Any]
) -> None:
    rewrite(saved, lambda tensors, about: [change(tensors)])
    with pytest.raises(UserError):
        load_state(new_state(), saved, CONFIG)


@pytest.mark.parametrize("value", ["x", None, float("inf"), -5, 1.5, True])
@pytest.mark.parametrize("key", ["iteration", "average_updates"])
def test_a_count_that_is_none_is_refused(saved: Path, key: str, value: object) -> None:
    rewrite(saved, lambda tensors, about: about.update({key: value}))
    with pytest.raises(UserError, match="training state"):
        load_state(new_state(), saved, CONFIG)


@pytest.mark.parametrize("raw", ["[]", "{}", "null", "[" * 100_000, "{"])
def test_metadata_of_something_else_are_refused(saved: Path, raw: str) -> None:
    rewrite(saved, lambda tensors, about: raw)
    with pytest.raises(UserError, match="not a training state"):
        load_state(new_state(), saved, CONFIG)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(UserError, match="not a safetensors file"):
        load_state(new_state(), path, CONFIG)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="not a training state"):
        load_state(new_state(), path, CONFIG)
