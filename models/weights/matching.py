"""Which tensors of a file are a model's weights, and their way into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Optional

import torch
from torch import Tensor, nn

from mobilevis.models.weights.load_report import LoadReport
from mobilevis.runtime.errors import UserError


def match_tensors(
    model: nn.Module, tensors: Mapping[str, Tensor], path: Path, classes: Optional[tuple[int, int]] = None
) -> LoadReport:
    """Which of the tensors fit the model, all checked: shapes, kinds and values.

    Args:
        model: where the tensors are to go; may be on the meta device.
        tensors: by the model's names.
        path: for the errors.
        classes: number of classes of the file and of the model, where they may differ; a tensor with one row
            more has one for "no object".

    Raises:
        UserError: another shape, or a value that is not finite.
    """
    expected = model.state_dict()
    common = [name for name in expected if name in tensors]
    other_classes = []
    rows = () if classes is None else (classes, (classes[0] + 1, classes[1] + 1))
    for name in common:
        mine, theirs = expected[name], tensors[name]
        if _fits(theirs, mine):
            continue
        other_rows = theirs.shape != mine.shape and theirs.shape[1:] == mine.shape[1:]
        if other_rows and (*theirs.shape[:1], *mine.shape[:1]) in rows:
            other_classes.append(name)
            continue
        what = f"{name} is {tuple(theirs.shape)} there, {tuple(mine.shape)} in the model"
        raise UserError(what, path, "give the model the checkpoint's size and configuration")
    loaded = [name for name in common if name not in other_classes]
    require_finite({name: tensors[name] for name in loaded}, path, "give a checkpoint of another run")
    return LoadReport(
        loaded=tuple(loaded),
        missing=tuple(name for name in expected if name not in tensors),
        unmatched=tuple(name for name in tensors if name not in expected),
        other_classes=tuple(other_classes),
    )


def _fits(theirs: Tensor, mine: Tensor) -> bool:
    same = theirs.shape == mine.shape and theirs.is_floating_point() == mine.is_floating_point()
    return same and _is_plain(theirs)


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized


def is_whole(tensor: Tensor) -> bool:
    """Whether one can compute with a file's tensor: a plain one, which claims no more than the file holds of
    it, as one that repeats a value without end does."""
    return _is_plain(tensor) and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def is_in(name: str, parts: Iterable[str]) -> bool:
    """Whether a tensor or module of a model belongs to one of the parts, each named by its last names.

    >>> is_in("head.0.class_logits.weight", ["class_logits"]), is_in("head.0.boxes.weight", ["head.1"])
    (True, False)
    """
    return any(f".{part}." in f".{name}." for part in parts)


def copy_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Set those of a model's weights that are given, by its names; they must fit."""
    state = model.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            state[name].copy_(tensor)


def require_finite(tensors: Mapping[str, Tensor], path: Path, fix: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        UserError: names the first such tensor; with the file, and the fix given.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise UserError(f"{name} holds NaN or infinity", path, fix)
