"""What an artefact says of itself, checked where a driver reads it: before the first frame."""

from __future__ import annotations

from typing import Optional

from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec

Shape = tuple[int, ...]
MAX_COUNT = 1 << 31


class UnfitArtefactError(ValueError):
    """An artefact lacks what its driver needs, or its sizes do not fit together."""


class Facts:
    """Reads an artefact's metadata for a driver.

    Args:
        metadata: the artefact's.
    """

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata

    def whole_number(self, option: str, least: int = 1) -> int:
        """An option that counts something.

        Raises:
            UnfitArtefactError: it is missing, no whole number, or less than ``least``.
        """
        value = self.metadata.options.get(option)
        if type(value) is not int or not least <= value < MAX_COUNT:
            raise UnfitArtefactError(f"option {option} of the artefact is {value!r:.40}")
        return value

    def classes(self, option: str) -> list[int]:
        """An option that lists indices of classes; see ``whole_number``."""
        value, known = self.metadata.options.get(option), range(len(self.metadata.classes))
        if not isinstance(value, list) or not all(type(index) is int and index in known for index in value):
            raise UnfitArtefactError(f"option {option} of the artefact is {value!r:.40}")
        return value

    def input(self, entry: str, name: str, rank: int) -> Shape:
        """The shape (1, …) of an entry's input.

        Raises:
            UnfitArtefactError: there is none, or it has not ``rank`` dimensions.
        """
        spec = self._entry(entry)
        return _shape(spec.inputs if spec else (), name, f"input {name} of entry {entry}", rank)

    def output(self, entry: str, name: str, rank: int) -> Shape:
        """The shape (1, …) of an entry's output; see ``input``."""
        spec = self._entry(entry)
        return _shape(spec.outputs if spec else (), name, f"output {name} of entry {entry}", rank)

    def _entry(self, name: str) -> Optional[EntrySpec]:
        return self.metadata.entries.get(name)


def _shape(tensors: tuple[TensorSpec, ...], name: str, what: str, rank: int) -> Shape:
    shapes = [tensor.shape for tensor in tensors if tensor.name == name]
    if not shapes:
        raise UnfitArtefactError(f"the artefact has no {what}")
    if len(shapes[0]) != rank:
        raise UnfitArtefactError(f"{what} has {len(shapes[0])} dimensions, not {rank}")
    return shapes[0]


def require_fit(what: str, shape: Shape, expected: Shape) -> None:
    """Refuse a tensor of another shape than the artefact's other sizes ask for.

    Raises:
        UnfitArtefactError: it has one.
    """
    if shape != expected:
        sizes = ("x".join(map(str, each)) for each in (shape, expected))
        raise UnfitArtefactError("{} is {}, the artefact's other sizes ask for {}".format(what, *sizes))
