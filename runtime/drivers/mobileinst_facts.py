"""Whether the sizes of a MobileInst artefact fit together: found out before a frame meets a surprise."""

from __future__ import annotations

from mobilevis.runtime.facts import Facts, Shape, UnfitArtefactError, require_fit
from mobilevis.runtime.patches import LEVELS


def check_streaming(facts: Facts) -> None:
    """What both kinds of instance decoder share: frames in, masks of ``max_instances`` kernels out.

    Raises:
        UnfitArtefactError: a tensor is missing, or of another size.
    """
    height, width = facts.metadata.input_size
    most, stride = facts.whole_number("max_instances"), facts.whole_number("mask_stride")
    features = facts.output("encode", "mask_features", 4)
    kernels = facts.input("segment", "kernels", 3)
    require_fit("frame", facts.input("encode", "frame", 4), (1, 3, height, width))
    require_fit("mask_features of segment", facts.input("segment", "mask_features", 4), features)
    require_fit("kernels of segment", kernels, (1, most, kernels[2]))
    cells = (1, most, -(-height // stride), -(-width // stride))
    require_fit("mask_logits", facts.output("segment", "mask_logits", 4), cells)
    if "propagate" in facts.metadata.entries:
        require_fit("frame of propagate", facts.input("propagate", "frame", 4), (1, 3, height, width))
        require_fit("keyframe_features", facts.input("propagate", "keyframe_features", 4), features)
        require_fit("mask_features of propagate", facts.output("propagate", "mask_features", 4), features)


def check_queries(facts: Facts) -> None:
    """``decode`` of learned queries: a kernel of the width that ``segment`` takes, and scores of the classes.

    Raises:
        UnfitArtefactError: as ``check_streaming``.
    """
    kernels, width = facts.output("decode", "kernels", 3), facts.input("segment", "kernels", 3)[2]
    require_fit("kernels of decode", kernels, (1, kernels[1], width))
    require_fit("scores", facts.output("decode", "scores", 3), (1, kernels[1], len(facts.metadata.classes)))
    for tensor in facts.metadata.entries["decode"].inputs:
        require_fit(tensor.name, tensor.shape, facts.output("encode", tensor.name, len(tensor.shape)))


def check_cells(facts: Facts) -> None:
    """Entries that read patches of a detector's cells, those of all levels in turn.

    Raises:
        UnfitArtefactError: as ``check_streaming``.
    """
    stems = [facts.output("encode", f"stem{level}", 4) for level in LEVELS]
    cells = sum(height * width for _, height, width, _ in stems)
    require_fit("boxes", facts.output("encode", "boxes", 3), (1, cells, 4))
    require_fit("objectness", facts.output("encode", "objectness", 3), (1, cells, 1))
    scored = _check_patches(facts, "decode", "likely", ("stem",), 1)
    require_fit("scores", facts.output("decode", "scores", 3), (1, scored, len(facts.metadata.classes)))
    described = _check_patches(facts, "describe", "chosen", ("stem", "tower"), 4)
    width, embeddings = facts.input("segment", "kernels", 3)[2], facts.output("describe", "embeddings", 3)
    require_fit("kernels of describe", facts.output("describe", "kernels", 3), (1, described, width))
    require_fit("embeddings", embeddings, (1, described, embeddings[2]))


def _check_patches(facts: Facts, entry: str, kind: str, maps: tuple[str, ...], width: int) -> int:
    """Checks an entry's inputs, see ``CellEntry``; returns how many rows it takes and gives."""
    inside = facts.input(entry, f"{kind}_inside", 4)
    cells, levels, side, _ = inside
    require_fit(f"{kind}_inside", inside, (cells, len(LEVELS), side, side))
    row = {1: "objectness", 4: "boxes"}[width]
    require_fit(f"{kind}_{row}", facts.input(entry, f"{kind}_{row}", 3), (1, levels * cells, width))
    sides = {_check_maps(facts, entry, kind, name, cells) for name in maps}
    if side not in sides:
        raise UnfitArtefactError(f"{kind}_inside has patches of {side} cells, none of the maps has")
    return levels * cells


def _check_maps(facts: Facts, entry: str, kind: str, name: str, cells: int) -> int:
    """Checks an entry's patches of one kind of maps against these; returns their side."""
    patches = facts.input(entry, f"{kind}_{name}s", 4)
    grids: list[Shape] = [facts.output("encode", f"stem{level}", 4) for level in LEVELS]
    _, _, _, channels = facts.output("encode", f"{name}{LEVELS[0]}", 4)
    for level, (_, height, width, _) in zip(LEVELS, grids):
        found = facts.output("encode", f"{name}{level}", 4)
        require_fit(f"{name}{level}", found, (1, height, width, channels))
    require_fit(f"{kind}_{name}s", patches, (cells, patches[1], patches[1], len(LEVELS) * channels))
    return patches[1]
