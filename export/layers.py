"""Layers by module path, found again in the graphs of any format by the values of their weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Callable, Optional, Union

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mobilevis.export.precision import Conversion, EntryPrecision
from mobilevis.export.trace import TracedEntry

Layer = Union[nn.Conv2d, nn.ConvTranspose2d, nn.Linear]


def list_layers(model: nn.Module) -> Iterator[tuple[str, Layer]]:
    """Module path → layer, in the order of their definition."""
    for path, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and module.weight is not None:
            yield path, module


def fingerprint(weights: NDArray[np.float32]) -> str:
    """What a weight is known by: its values in order of size, since formats order them differently."""
    unsigned = weights + np.float32(0)  # -0.0 and 0.0, equal for the sort, are one
    return hashlib.sha256(np.sort(unsigned, axis=None).tobytes()).hexdigest()


class Fingerprints:
    """The fingerprints of weights, each sorted once: a converter asks for one up to ten times."""

    def __init__(self) -> None:
        self._found: dict[bytes, str] = {}

    def __call__(self, weights: NDArray[np.float32]) -> str:
        """``fingerprint`` of these weights."""
        content = hashlib.sha256(weights.tobytes()).digest()
        if content not in self._found:
            self._found[content] = fingerprint(weights)
        return self._found[content]


class LayerChoice:
    """Which weights of an entry are reduced.

    Args:
        traced: the entry.
        how: the conversion.
        fingerprint_of: what knows weights; the entries of a model share one that remembers.

    Attributes:
        precision: the entry's layers, by what is to become of them.
    """

    def __init__(
        self,
        traced: TracedEntry,
        how: Conversion,
        fingerprint_of: Callable[[NDArray[np.float32]], str] = fingerprint,
    ) -> None:
        # Of the entry's one child, `model`, as the table knows them.
        layers = {path.partition(".")[2]: layer for path, layer in list_layers(traced.module)}
        self._known = {path: fingerprint_of(layer.weight.detach().numpy()) for path, layer in layers.items()}
        self._paths = {known: path for path, known in self._known.items()}
        paths = sorted(layers)
        self._how, self._fingerprint = how, fingerprint_of
        self.precision = EntryPrecision(
            reduced=tuple(path for path in paths if not how.keeps(path)),
            kept=tuple(path for path in paths if how.keeps(path)),
            computed=tuple(path for path in paths if how.computes(path)),
        )

    def find(self, weights: NDArray[np.float32]) -> Optional[str]:
        """The module path of the layer with these weights; None where there is none."""
        return self._paths.get(self._fingerprint(weights))

    def computes(self, weights: NDArray[np.float32]) -> bool:
        """Whether these are the weights of a layer that computes in fewer bits, too."""
        path = self.find(weights)
        return path is not None and self._how.computes(path)

    def keeps(self, weights: NDArray[np.float32]) -> bool:
        """Whether these are the weights of a layer that stays in float32."""
        path = self.find(weights)
        return path is not None and self._how.keeps(path)

    def reduces(self, weights: NDArray[np.float32]) -> bool:
        """Whether these are the weights of a layer that is reduced."""
        path = self.find(weights)
        return path is not None and not self._how.keeps(path)

    def describe(self, weights: Iterable[NDArray[np.float32]]) -> EntryPrecision:
        """What becomes of the layers in a format whose graph of the entry, in float32, has these weights."""
        found = {self._fingerprint(values) for values in weights}
        there = {path for path, known in self._known.items() if known in found}
        planned = self.precision
        return EntryPrecision(
            reduced=tuple(path for path in planned.reduced if path in there),
            kept=tuple(path for path in planned.kept if path in there),
            computed=tuple(path for path in planned.computed if path in there),
            folded=tuple(sorted(self._known.keys() - there)),
        )


def choose_layers(traced: Mapping[str, TracedEntry], how: Conversion) -> dict[str, LayerChoice]:
    """Entry → which of its weights are reduced."""
    fingerprints = Fingerprints()
    return {name: LayerChoice(item, how, fingerprints) for name, item in traced.items()}
