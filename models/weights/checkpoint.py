"""Weights into models: our own checkpoints, and the official files of backbones.

Our own format is one safetensors file whose metadata hold all that is needed to build the model again:
registry name, configuration, classes and training record. Official files come from the user's disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

import torch
from torch import Tensor

from mobilevis.models import StreamingModel, create_model
from mobilevis.models.registry import saved_config
from mobilevis.models.weights.class_rows import copy_class_rows, pair_classes
from mobilevis.models.weights.load_report import LoadReport
from mobilevis.models.weights.matching import copy_tensors, is_in, match_tensors, require_finite
from mobilevis.models.weights.official import load_official
from mobilevis.models.weights.published import find_publication, load_published
from mobilevis.models.weights.tensor_files import (
    TensorFile,
    read_safetensors,
    read_tensors,
    write_safetensors,
)
from mobilevis.models.weights.yolox import YOLOX_CLASSES, YOLOX_SUFFIX, read_yolox
from mobilevis.runtime.categories import Category
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import sha256_of

METADATA_KEY = "mobilevis_checkpoint"
SCHEMA_VERSION = 1
_NOT_OURS = "give a checkpoint that `mobilevis train` wrote"


@dataclass(frozen=True)
class Checkpoint:
    """A model as it was saved.

    Attributes:
        model: with the saved weights, in float32 and evaluation mode.
        name: of the registry.
        classes: the categories by class index.
        record: how the weights came about, as its writer gave it.
        sha256: of the file.
    """

    model: StreamingModel
    name: str
    classes: tuple[Category, ...]
    record: Mapping[str, Any]
    sha256: str

    @property
    def input_size(self) -> Optional[tuple[int, int]]:
        """(height, width) it is for, or that its training fitted frames into; None where neither is said."""
        found: Any = self.record
        for key in ("input_size",) if "input_size" in self.record else ("config", "data", "canvas"):
            found = found.get(key) if isinstance(found, Mapping) else None
        if not isinstance(found, (list, tuple)) or len(found) != 2:
            return None
        height, width = found
        if not all(type(side) is int and side > 0 for side in found):
            return None
        return height, width


@dataclass(frozen=True)
class _About:
    """A checkpoint's metadata; see ``save_checkpoint``."""

    name: str
    config: Mapping[str, Any]
    classes: tuple[Category, ...]
    record: Mapping[str, Any]

    def create_model(self) -> StreamingModel:
        return create_model(self.name, **self.config)


def save_checkpoint(
    model: StreamingModel,
    path: Path,
    *,
    name: str,
    classes: Sequence[Category],
    record: Mapping[str, Any],
    half: bool = False,
) -> None:
    """Write a model with all that :func:`load_checkpoint` needs, replacing an older file at once.

    Args:
        model: its weights must be finite.
        path: the file.
        name: of the registry; ``create_model(name, **asdict(model.config))`` builds the model.
        classes: the categories by class index.
        record: how the weights came about; JSON values.
        half: store kernels and matrices as float16, half the size. Norms and biases stay float32: they are
            few, and a running variance can exceed float16's range.

    Raises:
        ValueError: the name does not build such a model, or there is not one class for each of its outputs.
        UserError: the weights are not finite, or the file cannot be written.
    """
    config = asdict(model.config)
    if create_model(name, **config).state_dict().keys() != model.state_dict().keys():
        raise ValueError(f"{name} does not build this model")
    if len(classes) != model.num_classes:
        raise ValueError(f"{len(classes)} classes are named, the model has {model.num_classes}")
    about = {"schema": SCHEMA_VERSION, **asdict(_About(name, config, tuple(classes), record))}
    tensors = {key: _pack(tensor, half) for key, tensor in model.state_dict().items()}
    require_finite(tensors, path, "nothing was written: lower the learning rate, or store in full precision")
    write_safetensors(tensors, path, {METADATA_KEY: json.dumps(about)})


def load_checkpoint(path: Path) -> Checkpoint:
    """Build the model that a checkpoint holds.

    Args:
        path: a file that :func:`save_checkpoint` wrote.

    Raises:
        UserError: the file is missing, damaged or foreign, its tensors are not those of its configuration, or
            they are not finite.
    """
    path = Path(path)
    file = read_safetensors(path)
    about = _parse_about(file, path)
    try:
        # Shapes first, without memory: the configuration of a hostile file can ask for any size.
        with torch.device("meta"):
            expected = about.create_model()
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise UserError(f"this version cannot build its model: {error}", path, _NOT_OURS) from error
    if unpaired := sorted(expected.state_dict().keys() ^ file.tensors.keys()):
        raise UserError(f"holds a {about.name}, and does not fit at {unpaired[0]}", path, _NOT_OURS)
    names = match_tensors(expected, file.tensors, path).loaded
    if len(about.classes) != expected.num_classes:
        what = f"names {len(about.classes)} classes for {expected.num_classes}"
        raise UserError(what, path, _NOT_OURS)
    model = about.create_model()
    copy_tensors(model, {name: file.tensors[name] for name in names})
    return Checkpoint(model.eval(), about.name, about.classes, about.record, sha256_of(path))


def load_weights(model: StreamingModel, path: Path, name: str = "", fresh: Sequence[str] = ()) -> LoadReport:
    """Set a model's weights from a checkpoint of ours or a whole published model, or its backbone's or
    detector's from an official file.

    A checkpoint may be for other classes: then the tensors with one row a class keep their values. It may be
    of another model, whose tensors without a place here are left out, as MinVIS's serves for TAR on it.

    Args:
        model: changed in place, wholly or not at all.
        path: the file.
        name: the model's, of the registry.
        fresh: names of parts, such as ``routers`` or ``class_logits``, that keep their values wherever in
            the model they stand.

    Raises:
        UserError: a part that is not fresh lacks a tensor; see :func:`load_checkpoint`, ``load_published``
            and ``load_official``.
    """
    path = Path(path)
    if path.suffix == YOLOX_SUFFIX:
        return _load_yolox(model, path, fresh)
    file = read_tensors(path)
    if METADATA_KEY not in file.metadata:
        if publication := find_publication(file.tensors):
            return load_published(model, publication, file.tensors, path, fresh)
        return load_official(model, file, path, fresh)
    about = _parse_about(file, path)
    asked = {key for key in model.state_dict() if not is_in(key, fresh)}
    if lacking := sorted(asked - file.tensors.keys()):
        what = f"holds a {about.name}, which lacks {lacking[0]}"
        raise UserError(
            what, path, "give the model the checkpoint's configuration, or name the part in model.fresh"
        )
    offered = {key: tensor for key, tensor in file.tensors.items() if not is_in(key, fresh)}
    if about.name == name and (unplaced := sorted(offered.keys() - asked)):
        what = f"holds a {about.name}, and does not fit at {unplaced[0]}"
        raise UserError(what, path, "give the model the checkpoint's configuration")
    try:
        report = match_tensors(model, offered, path, classes=(len(about.classes), model.num_classes))
    except UserError as error:
        options = _other_options(model, about.config)
        fix = f"take the checkpoint's options: {options}" if options else error.fix
        raise UserError(error.what, path, fix) from error
    copy_tensors(model, {key: file.tensors[key] for key in report.loaded})
    return report


def start_classes(
    model: StreamingModel, path: Path, parts: Sequence[str], classes: Sequence[str], like: Mapping[str, str]
) -> dict[str, str]:
    """Start classes from those that a checkpoint has under the same name, or that they are like.

    Args:
        model: changed in place, wholly or not at all.
        path: a file that :func:`save_checkpoint` wrote.
        parts: names of parts with one row a class, such as ``class_logits``.
        classes: the model's, by index.
        like: class of the model → class of the checkpoint, where the names differ.

    Returns:
        Class of the model → the checkpoint's class that it starts from.

    Raises:
        UserError: the file is no checkpoint of ours, or a part or a class in ``like`` does not exist.
    """
    file = read_tensors(Path(path))
    known = [category.name for category in _parse_about(file, Path(path)).classes]
    pairs = pair_classes(classes, known, like, path)
    copy_class_rows(model, file.tensors, parts, pairs, path)
    return {classes[own]: known[other] for own, other in pairs.items()}


def _other_options(model: StreamingModel, config: Mapping[str, Any]) -> str:
    """What makes a model the one that a checkpoint was written of, as options of ``mobilevis train``."""
    mine = json.loads(json.dumps(asdict(model.config)))
    differing = [key for key in mine if config.get(key, mine[key]) != mine[key] and key != "num_classes"]
    return " ".join(f"--set model.options.{key}={json.dumps(config[key])}" for key in differing)


def _load_yolox(model: StreamingModel, path: Path, fresh: Sequence[str]) -> LoadReport:
    wanted = {name: x for name, x in read_yolox(model, path).items() if not is_in(name, fresh)}
    report = match_tensors(model, wanted, path, classes=(YOLOX_CLASSES, model.num_classes))
    copy_tensors(model, {name: wanted[name] for name in report.loaded})
    return report


def _pack(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() and tensor.dim() > 1 else tensor


def _parse_about(file: TensorFile, path: Path) -> _About:
    if METADATA_KEY not in file.metadata:
        raise UserError("not a mobilevis checkpoint: it carries no model name", path, _NOT_OURS)
    try:
        about = json.loads(file.metadata[METADATA_KEY])
        if about["schema"] != SCHEMA_VERSION:
            what = f"checkpoint schema {about['schema']}, this version reads {SCHEMA_VERSION}"
            raise UserError(what, path, "use the version of mobilevis that wrote it")
        classes = tuple(Category(int(item["id"]), str(item["name"])) for item in about["classes"])
        name = str(about["name"])
        return _About(name, saved_config(name, dict(about["config"])), classes, dict(about["record"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"broken checkpoint metadata: {error!r}", path, _NOT_OURS) from error
