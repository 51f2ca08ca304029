"""Whole published Mask2Formers into the models that are built on one: MinVIS, DVIS++, TAR and MaXTron-VIS.

Files of transformers and of detectron2 serve, with a ResNet or a Swin; ``mask2former_names`` holds the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from mobilevis.models.blocks.mask2former import MaskedDecoder
from mobilevis.models.weights.load_report import LoadReport
from mobilevis.models.weights.mask2former_names import MARKS, Source, mask2former_sources
from mobilevis.models.weights.matching import copy_tensors, is_in, match_tensors
from mobilevis.runtime.errors import UserError

_CLASS_BIAS = "decoder.class_head.bias"
_COUNTER = ".num_batches_tracked"  # of a batch norm; files of frozen ones have none, and nothing reads it


def is_mask2former(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a file holds a Mask2Former under names that are known."""
    return any(mark in _renamed(tensors) for mark in MARKS)


def load_mask2former(
    model: nn.Module, tensors: Mapping[str, Tensor], path: Path, fresh: Sequence[str] = ()
) -> LoadReport:
    """Set a model's weights from a published Mask2Former's.

    A file for other classes leaves ``class_head`` as it is.

    Args:
        model: changed in place, wholly or not at all.
        tensors: of the file, by the names there.
        path: of the file, for the errors.
        fresh: names of parts that keep their values, as all must that a Mask2Former has not.

    Returns:
        The report; what of the file the model has no place for is ``unmatched``, by its names there.

    Raises:
        UserError: the model is not built on a Mask2Former, a part that is not fresh lacks a tensor, a tensor
            has another shape, or one is not finite.
    """
    if not isinstance(getattr(model, "decoder", None), MaskedDecoder):
        fix = "give it to a MinVIS, DVIS++, TAR or MaXTron-VIS"
        raise UserError(f"holds a Mask2Former, which {type(model).__name__} is not built on", path, fix)
    given, state = _renamed(tensors), model.state_dict()
    sources = mask2former_sources(model, next(kind for kind, mark in enumerate(MARKS) if mark in given))
    there = {name for name, source in sources.items() if source.name in given}
    wanted = [
        name for name in state if not is_in(name, fresh) and (name in there or not name.endswith(_COUNTER))
    ]
    if lacking := [name for name in wanted if name not in there]:
        fix = "give the model the file's backbone and sizes, or name the part in model.fresh"
        raise UserError(f"holds a Mask2Former, which lacks {lacking[0]}", path, fix)
    found = {name: _take(given[sources[name].name], sources[name], state[name]) for name in wanted}
    heads = (found.get(_CLASS_BIAS, state[_CLASS_BIAS]), state[_CLASS_BIAS])
    theirs, mine = (len(head) if head.dim() else 0 for head in heads)
    report = match_tensors(model, found, path, (theirs, mine))
    copy_tensors(model, {name: found[name] for name in report.loaded})
    used = {sources[name].name for name in wanted}
    return replace(report, unmatched=tuple(name for name in given if name not in used))


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names of today: Mask2Former's first version called the learned queries ``static_query``."""
    return {
        name.replace("predictor.static_query.", "predictor.query_feat."): x for name, x in tensors.items()
    }


def _take(tensor: Tensor, source: Source, like: Tensor) -> Tensor:
    """A tensor as the model has it: one of three that are stacked, or with a leading dimension of 1."""
    if source.third is not None and tensor.dim() and len(tensor) % 3 == 0:
        tensor = tensor.chunk(3)[source.third]
    return tensor[None] if (1, *tensor.shape) == like.shape else tensor
