"""Classes that start from those of a checkpoint for other classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from mobilevis.models.weights.matching import copy_tensors, is_in, require_finite
from mobilevis.runtime.errors import UserError, suggest


def pair_classes(
    own: Sequence[str], known: Sequence[str], like: Mapping[str, str], path: Path
) -> dict[int, int]:
    """Index of each of our classes → index of the checkpoint's class that it starts from.

    Args:
        own: our classes, by index.
        known: the checkpoint's.
        like: ours → the checkpoint's, before those of one name.
        path: the checkpoint, for the errors.

    Raises:
        UserError: ``like`` names a class that there is not.
    """
    for wanted, names, whose in ((like, own, "the data"), (like.values(), known, "the checkpoint")):
        if unknown := sorted(set(wanted) - set(names)):
            fix = f"correct model.like: {suggest(unknown[0], names)}"
            raise UserError(f"{whose} has no class {unknown[0]}", path, fix)
    sources = [like.get(name, name) for name in own]
    return {mine: known.index(name) for mine, name in enumerate(sources) if name in known}


def copy_class_rows(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    parts: Sequence[str],
    pairs: Mapping[int, int],
    path: Path,
) -> None:
    """Set the rows of some classes in the parts that have one row a class.

    Args:
        model: changed in place, wholly or not at all.
        tensors: the checkpoint's, by the model's names.
        parts: names of parts, such as ``class_logits``, wherever in the model they stand.
        pairs: see ``pair_classes``.
        path: the checkpoint, for the errors.

    Raises:
        UserError: a part has other rows there, or none a class, or values that are not finite.
    """
    changed = {}
    for name, mine in model.state_dict().items():
        if not is_in(name, parts):
            continue
        theirs = tensors.get(name)
        rows = max(pairs.values(), default=-1)
        if theirs is None or theirs.shape[1:] != mine.shape[1:] or rows >= len(theirs):
            raise UserError(f"has no such rows of {name}", path, "correct model.by_class, or leave it out")
        changed[name] = mine.clone()
        for own, other in pairs.items():
            changed[name][own] = theirs[other]
    require_finite(changed, path, "give a checkpoint of another run")
    copy_tensors(model, changed)
