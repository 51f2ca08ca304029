"""What a dense model says around the chosen cells, laid out as ``describe`` takes it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.engines.base import Artefact

LEVELS = (3, 4, 5)  # of strides 8, 16 and 32, as their maps are numbered
MAPS = {"stem_patches": "stem", "class_patches": "class_tower", "box_patches": "tower"}
SIDE = 3  # of a patch, cells


class CellDescriber:
    """Runs ``describe`` on chosen cells, with the memory of its inputs.

    Args:
        artefact: of a model with dense kernels.

    Raises:
        ValueError: the artefact has no such entry.
    """

    def __init__(self, artefact: Artefact) -> None:
        entries = artefact.metadata.entries
        if "describe" not in entries:
            raise ValueError(
                "the artefact was exported by an older mobilevis, without describe: export it again"
            )
        self._artefact = artefact
        self._inputs = {t.name: np.zeros(t.shape, dtype=np.float32) for t in entries["describe"].inputs}
        self._outputs = entries["describe"].outputs

    def describe(
        self, known: Mapping[str, Array], boxes: Array, chosen: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        """Kernels (S, D + 5) and embeddings (S, E) of S cells.

        Args:
            known: the stems and towers of all levels, (1, 64, h, w) each.
            boxes: (S, 4), the cells'.
            chosen: (S,), their indices among all cells; at most as many as the entry takes.
        """
        if not len(chosen):
            return self._nothing()
        for tensor in self._inputs.values():
            tensor.fill(0.0)
        self._inputs["chosen_boxes"][0, : len(boxes)] = boxes
        self._fill(known, chosen)
        described = self._artefact.run("describe", self._inputs)
        kernels, embeddings = (described[name][0, : len(chosen)] for name in ("kernels", "embeddings"))
        return kernels, embeddings

    def _nothing(self) -> tuple[Array, Array]:
        widths = {tensor.name: tensor.shape[2] for tensor in self._outputs}
        kernels, embeddings = (np.zeros((0, widths[n]), np.float32) for n in ("kernels", "embeddings"))
        return kernels, embeddings

    def _fill(self, known: Mapping[str, Array], chosen: NDArray[np.intp]) -> None:
        first = 0
        for index, level in enumerate(LEVELS):
            height, width = known[f"stem{level}"].shape[-2:]
            slots = np.flatnonzero((chosen >= first) & (chosen < first + height * width))
            if len(slots):
                around, inside = _neighbours(chosen[slots] - first, height, width)
                self._inputs["levels"][0, index, 0, slots] = 1.0
                _tiles(self._inputs["inside"])[:, :, slots] = inside
                for patches, name in MAPS.items():
                    cells = known[f"{name}{level}"].reshape(-1, height * width)
                    _tiles(self._inputs[patches])[:, :, slots] = cells[:, around]
            first += height * width


def _tiles(patches: Array) -> Array:
    """(1, C, 3, 3·S), patches side by side → a view (C, 3, S, 3)."""
    _, channels, _, across = patches.shape
    return patches.reshape(channels, SIDE, across // SIDE, SIDE)


def _neighbours(chosen: NDArray[np.intp], height: int, width: int) -> tuple[NDArray[np.intp], Array]:
    """Of n cells of a level: the indices of their patches' cells (3, n, 3), those beyond a border moved onto
    it, and which lie inside (3, n, 3), 1 or 0."""
    steps = np.arange(SIDE) - SIDE // 2
    rows = (chosen // width) + steps[:, None]  # (3, n)
    columns = (chosen % width)[:, None] + steps  # (n, 3)
    inside = ((rows >= 0) & (rows < height))[..., None] & ((columns >= 0) & (columns < width))
    around = np.clip(rows, 0, height - 1)[..., None] * width + np.clip(columns, 0, width - 1)
    return around, inside.astype(np.float32)
