"""Whole published models into ours: Mask2Former, DVIS++, SeqFormer and kMaX-DeepLab, under their names there.

A Mask2Former serves every model that is built on one: MinVIS, DVIS++, TAR and MaXTron-VIS. The names are in
``mask2former_names``, ``seqformer_names`` and ``kmax_names``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Optional

from torch import Tensor, nn

from mobilevis.models.blocks.mask2former import MaskedDecoder
from mobilevis.models.maxtron.maxtron_vps import MaXTronVps
from mobilevis.models.seqformer.seqformer import SeqFormer
from mobilevis.models.weights import kmax_names, seqformer_names
from mobilevis.models.weights.load_report import LoadReport
from mobilevis.models.weights.mask2former_names import MARKS, mask2former_sources, rename
from mobilevis.models.weights.matching import copy_tensors, is_in, is_whole, match_tensors
from mobilevis.models.weights.sources import Source, take_tensors
from mobilevis.runtime.errors import UserError

_COUNTER = ".num_batches_tracked"  # of a batch norm; files of frozen ones have none, and nothing reads it


@dataclass(frozen=True)
class Publication:
    """A kind of published file.

    Attributes:
        what: it holds.
        marks: tensors of which one tells it from all others.
        fits: whether a model is built on what it holds.
        serves: models that are.
        sources: our name of each tensor of such a model → where the file has it.
        class_bias: our tensor with one value a class.
        prepare: makes a file's tensors those that ``sources`` speaks of.
    """

    what: str
    marks: tuple[str, ...]
    fits: Callable[[nn.Module], bool]
    serves: str
    sources: Callable[[Any], dict[str, Source]]
    class_bias: str
    prepare: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict


def _has_masked_decoder(model: nn.Module) -> bool:
    return isinstance(getattr(model, "decoder", None), MaskedDecoder)


PUBLICATIONS = (
    *(
        Publication(
            "a Mask2Former",
            marks,
            _has_masked_decoder,
            "a MinVIS, DVIS++, TAR or MaXTron-VIS",
            partial(mask2former_sources, kind=kind),
            "decoder.class_head.bias",
            rename,
        )
        for kind, marks in enumerate(MARKS)
    ),
    Publication(
        "a SeqFormer",
        (seqformer_names.MARK,),
        lambda model: isinstance(model, SeqFormer),
        "a SeqFormer or TAFormer",
        seqformer_names.seqformer_sources,
        "class_heads.0.bias",
    ),
    Publication(
        "a kMaX-DeepLab",
        (kmax_names.MARK,),
        lambda model: isinstance(model, MaXTronVps),
        "a MaXTron-VPS",
        kmax_names.kmax_sources,
        "decoder.predictor.class_head.bias",
        kmax_names.fold_constants,
    ),
)


def find_publication(tensors: Mapping[str, Tensor]) -> Optional[Publication]:
    """What kind of published file has these names; None for any other file."""
    return next((kind for kind in PUBLICATIONS if any(mark in tensors for mark in kind.marks)), None)


def load_published(
    model: nn.Module,
    publication: Publication,
    tensors: Mapping[str, Tensor],
    path: Path,
    fresh: Sequence[str] = (),
) -> LoadReport:
    """Set a model's weights from a published file.

    A file for other classes leaves the class heads as they are.

    Args:
        model: changed in place, wholly or not at all.
        publication: the file's kind.
        tensors: of the file, by the names there.
        path: of the file, for the errors.
        fresh: names of parts that keep their values, as all must that the file has not.

    Returns:
        The report; what of the file the model has no place for is ``unmatched``, by its names there.

    Raises:
        UserError: the model is not built on such a one, a part that is not fresh lacks a tensor, a tensor has
            another shape or is no plain one, or one is not finite.
    """
    what = f"holds {publication.what}, which"
    if not publication.fits(model):
        fix = f"give it to {publication.serves}"
        raise UserError(f"{what} {type(model).__name__} is not built on", path, fix)
    if odd := [name for name, tensor in tensors.items() if not is_whole(tensor)]:
        raise UserError(f"{odd[0]} is no plain tensor", path, "give the file as it was published")
    given, state = publication.prepare(tensors), model.state_dict()
    sources = publication.sources(model)
    there = {name for name, source in sources.items() if source.name in given}
    wanted = [
        name for name in state if not is_in(name, fresh) and (name in there or not name.endswith(_COUNTER))
    ]
    if lacking := [name for name in wanted if name not in there]:
        fix = "give the model the file's backbone and sizes, or name the part in model.fresh"
        raise UserError(f"{what} lacks {lacking[0]}", path, fix)
    found = take_tensors(given, {name: sources[name] for name in wanted}, state)
    mine = state[publication.class_bias]
    classes = len(found.get(publication.class_bias, mine).flatten()), len(mine)
    report = match_tensors(model, found, path, classes)
    copy_tensors(model, {name: found[name] for name in report.loaded})
    used = {sources[name].name for name in wanted}
    return replace(report, unmatched=tuple(name for name in given if name not in used))
