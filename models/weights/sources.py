"""Where a published file has a model's tensors: tables of prefixes, and how a tensor is taken from there.

A table's row pairs a prefix of our names with one of the file's; what follows is the same. ``[0]``, ``[1]``
and ``[2]`` behind the latter are the thirds of a tensor that stacks projections of queries, keys and values.
Dimensions of size 1 do not count: a 1×1 convolution serves for a linear layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Optional

from torch import Tensor

from mobilevis.models.weights.matching import is_whole

Convert = Callable[[Tensor], Tensor]


class Source(NamedTuple):
    """Where a tensor, or all that begin with a prefix, are in a file.

    Attributes:
        name: there, or its beginning.
        convert: what makes it ours; None takes it as it is.
    """

    name: str
    convert: Optional[Convert] = None


Pairs = Iterator[tuple[str, Source]]


def third(index: int) -> Convert:
    """One of three tensors that are stacked; a tensor that three do not divide is left, and does not fit."""
    return lambda x: x.chunk(3)[index] if x.dim() and len(x) % 3 == 0 else x


def parse_source(text: str) -> Source:
    """A table's text, as in the module's docstring."""
    name, _, index = text.rstrip("]").partition("[")
    return Source(name, third(int(index)) if index else None)


def pair_rows(ours: str, theirs: str, rows: Iterable[tuple[str, str]]) -> Pairs:
    """Rows of a table behind a prefix each."""
    for mine, other in rows:
        yield ours + mine, parse_source(theirs + other)


def find_sources(names: Iterable[str], pairs: Iterable[tuple[str, Source]]) -> dict[str, Source]:
    """Our names → where their tensors are, by the longest prefix; what has none is left out."""
    table, found = dict(pairs), {}
    for name in names:
        cut = next((i for i in range(len(name), 0, -1) if name[:i] in table), 0)
        if cut:
            source = table[name[:cut]]
            found[name] = source._replace(name=source.name + name[cut:])
    return found


def take_tensors(
    given: Mapping[str, Tensor], sources: Mapping[str, Source], like: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors that a file has, as the model has them.

    Args:
        given: the file's.
        sources: our names → where they are.
        like: the model's tensors, by our names.
    """
    return {
        name: _take(given[source.name], source, like[name])
        for name, source in sources.items()
        if source.name in given
    }


def _take(tensor: Tensor, source: Source, like: Tensor) -> Tensor:
    if not is_whole(tensor):
        return tensor
    tensor = tensor if source.convert is None else source.convert(tensor)
    same = [n for n in tensor.shape if n != 1] == [n for n in like.shape if n != 1]
    return tensor.reshape(like.shape) if same else tensor
