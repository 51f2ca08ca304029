"""What a dense model knows around some cells, laid out as ``decode`` and ``describe`` take it.

An entry takes a few cells of each level, the levels side by side; more take several runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.facts import UnfitArtefactError

LEVELS = (3, 4, 5)  # of strides 8, 16 and 32, as their maps are numbered

Cells = NDArray[np.intp]


class CellEntry:
    """Runs an entry on any cells, with the memory of its inputs.

    Args:
        artefact: of a model with dense kernels.
        entry: its name.
        inside: the input (P, 3, n, n) that says which of the cells around each are inside its level.
        patches: an input (P, n, n, 3·C), around P cells of each level → name of the maps (1, h, w, C), but
            for the level's number.
        rows: the input (1, 3·P, k) that takes a row of each cell, the levels of the first cells first, as the
            outputs are.

    Raises:
        UnfitArtefactError: the artefact has no such entry or inputs.
    """

    def __init__(
        self, artefact: Artefact, entry: str, inside: str, patches: Mapping[str, str], rows: str
    ) -> None:
        spec = artefact.metadata.entries.get(entry)
        inputs = {} if spec is None else {tensor.name: tensor.shape for tensor in spec.inputs}
        if spec is None or set(inputs) != {inside, rows, *patches}:
            raise UnfitArtefactError(f"the artefact was exported by an older mobilevis, with another {entry}")
        self._artefact, self._entry = artefact, entry
        self._inputs = {name: np.zeros(shape, dtype=np.float32) for name, shape in inputs.items()}
        self._widths = {tensor.name: tensor.shape[2] for tensor in spec.outputs}
        self._inside, self._rows = self._inputs[inside], self._inputs[rows]
        self._patches = [(self._inputs[name], known) for name, known in patches.items()]
        self.cells_at_once = len(self._inside)

    def run(self, known: Mapping[str, Array], cells: Cells, rows: Array) -> dict[str, Array]:
        """What the entry says of S cells: name → (S, …).

        Args:
            known: what ``encode`` said of the frame.
            cells: (S,), their indices among all cells.
            rows: (S, k).
        """
        said = {name: np.empty((len(cells), width), np.float32) for name, width in self._widths.items()}
        for runs in self._deal(known, cells):
            self._inside.fill(0.0)  # of what an earlier run left nothing is read
            for index, (own, places) in enumerate(runs):
                self._rows[0, index :: len(LEVELS)][: len(own)] = rows[own]
                self._fill(known, index, places)
            for name, output in self._artefact.run(self._entry, self._inputs).items():
                for index, (own, _) in enumerate(runs):
                    said[name][own] = output[0, index :: len(LEVELS)][: len(own)]
        return said

    def _deal(self, known: Mapping[str, Array], cells: Cells) -> Iterator[Sequence[tuple[Cells, Cells]]]:
        """For each run: the levels' cells that it takes, and their places in their levels' maps."""
        name, first, dealt = self._patches[0][1], 0, []
        for level in LEVELS:
            _, height, width, _ = known[f"{name}{level}"].shape
            own = np.flatnonzero((cells >= first) & (cells < first + height * width))
            dealt.append((own, cells[own] - first))
            first += height * width
        most = max(len(own) for own, _ in dealt)
        for start in range(0, most, self.cells_at_once):
            end = start + self.cells_at_once
            yield [(own[start:end], places[start:end]) for own, places in dealt]

    def _fill(self, known: Mapping[str, Array], index: int, places: Cells) -> None:
        """Lay out what is known around cells of one level."""
        if not len(places):
            return
        for patches, name in self._patches:
            _, height, width, channels = known[f"{name}{LEVELS[index]}"].shape
            around, outside = (table[places] for table in _neighbours(height, width, patches.shape[1]))
            found = known[f"{name}{LEVELS[index]}"].reshape(height * width, channels)[around]
            found[outside] = 0.0
            patches[: len(places), :, :, index * channels : (index + 1) * channels] = found
            if patches.shape[1] == self._inside.shape[2]:
                self._inside[: len(places), index] = ~outside


@lru_cache(maxsize=16)
def _neighbours(height: int, width: int, side: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Of all cells of a level: the indices of the ``side`` × ``side`` cells around each (h·w, side, side),
    those beyond a border moved onto it, and which of these lie beyond."""
    steps = np.arange(side) - side // 2
    rows, columns = np.divmod(np.arange(height * width), width)
    y, x = rows[:, None, None] + steps[:, None], columns[:, None, None] + steps
    outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
    return np.clip(y, 0, height - 1) * width + np.clip(x, 0, width - 1), outside


class CellScorer(CellEntry):
    """``decode``: class scores of likely cells, the row of each its objectness."""

    def __init__(self, artefact: Artefact) -> None:
        super().__init__(
            artefact, "decode", "likely_inside", {"likely_stems": "stem"}, rows="likely_objectness"
        )


class CellDescriber(CellEntry):
    """``describe``: kernels and embeddings of chosen cells, the row of each its box."""

    def __init__(self, artefact: Artefact) -> None:
        patches = {"chosen_stems": "stem", "chosen_towers": "tower"}
        super().__init__(artefact, "describe", "chosen_inside", patches, rows="chosen_boxes")
        # Rows that no cell takes are computed, too: of a box without sides kernels are so large that rounding
        # shows.
        self._rows[:] = (0.0, 0.0, 1.0, 1.0)
