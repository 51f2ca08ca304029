"""A backbone's weights from the official files of its family, whoever published them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from mobilevis.models.weights.load_report import LoadReport
from mobilevis.models.weights.matching import copy_tensors, is_in, match_tensors
from mobilevis.models.weights.official_names import OFFICIAL, official_names
from mobilevis.models.weights.pyramid_names import PYRAMID_NAMES, classifier_sources
from mobilevis.models.weights.sources import Source, take_tensors
from mobilevis.models.weights.tensor_files import TensorFile, read_tensors
from mobilevis.runtime.errors import UserError

_WRAPPING_MODULES = ("module.", "backbone.")  # DataParallel's, and mmsegmentation's


def load_pretrained_backbone(model: nn.Module, path: Path) -> LoadReport:
    """Set a backbone's weights from an official file of a family that has them.

    ImageNet classification and ADE20K segmentation files serve; ``official_names`` and ``pyramid_names`` hold
    the names. Heads are reported as unmatched, and TopFormer's semantic injection as missing from
    classification files. Nested state dicts (an averaged one first) and prefixes of wrapping modules are seen
    through.

    Args:
        model: a backbone, or a model with one as ``backbone``; changed in place, wholly or not at all.
        path: a file that ``torch.save`` wrote, or safetensors.

    Returns:
        The report; names are relative to the backbone.

    Raises:
        UserError: the file is missing or damaged, holds more than tensors and plain values, holds none of the
            backbone's weights or weights of another size, or they are not finite.
        ValueError: there are no official files for the backbone's family.
    """
    return load_official(model, read_tensors(Path(path)), Path(path))


def load_official(model: nn.Module, file: TensorFile, path: Path, fresh: Sequence[str] = ()) -> LoadReport:
    """See ``load_pretrained_backbone``; parts that are ``fresh`` keep their values."""
    backbone: nn.Module = getattr(model, "backbone", model)
    given = {_without_wrappers(name): tensor for name, tensor in file.tensors.items()}
    # Publishers share many names, such as a block's: the file is of the one that all are from.
    sources = max(
        _official_sources(backbone),
        key=lambda sources: sum(source.name in given for source in sources.values()),
    )
    tensors = take_tensors(given, sources, backbone.state_dict())
    if not tensors:
        family = type(backbone).__name__
        raise UserError(f"holds no weights of {family}", path, f"give an official {family} file")
    prefix = "" if backbone is model else "backbone."
    wanted = {name: tensor for name, tensor in tensors.items() if not is_in(prefix + name, fresh)}
    report = match_tensors(backbone, wanted, path)
    copy_tensors(backbone, wanted)
    known = {source.name for source in sources.values()}
    return replace(report, unmatched=tuple(name for name in given if name not in known))


def _official_sources(backbone: nn.Module) -> list[dict[str, Source]]:
    """Our names → where an official file has them, for each publisher.

    Raises:
        ValueError: the backbone's family has no official files.
    """
    if type(backbone) in PYRAMID_NAMES:
        return classifier_sources(backbone)
    if type(backbone) not in OFFICIAL:
        known = ", ".join(sorted(family.__name__ for family in (*OFFICIAL, *PYRAMID_NAMES)))
        raise ValueError(f"no official files are known for {type(backbone).__name__}; known are {known}")
    return [{name: Source(official) for name, official in official_names(backbone).items()}]


def _without_wrappers(name: str) -> str:
    for prefix in _WRAPPING_MODULES:
        name = name.removeprefix(prefix)
    return name
