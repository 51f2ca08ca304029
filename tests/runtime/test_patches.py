"""What is gathered around some cells, and that an entry takes any number of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.runtime.categories import Category
from mobilevis.runtime.facts import UnfitArtefactError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.patches import CellDescriber, CellScorer

AT_ONCE, CHANNELS = 3, 2
GRIDS = {3: (6, 10), 4: (3, 5), 5: (1, 2)}
COUNT = sum(height * width for height, width in GRIDS.values())
ROWS = 3 * AT_ONCE
SIDES = {"likely_stems": 5, "chosen_stems": 7, "chosen_towers": 3}

some_cells = st.lists(st.integers(0, COUNT - 1), max_size=20, unique=True).map(
    lambda chosen: np.array(chosen, dtype=np.intp)
)


class Echo:
    """An artefact that keeps what it is given, and answers each cell with all that it is told of it."""

    def __init__(self) -> None:
        self.metadata = Metadata(
            "echo",
            "mobileinst-dense",
            {
                "decode": entry("likely_inside", "likely_stems", objectness=1),
                "describe": entry("chosen_inside", "chosen_stems", "chosen_towers", boxes=4),
            },
            (48, 80),
            (Category(1, "a"),),
        )
        self.given = []

    def run(self, entry, inputs):
        self.given.append({name: tensor.copy() for name, tensor in inputs.items()})
        inside, *others = [tensor.name for tensor in self.metadata.entries[entry].inputs]
        told = [by_cell(inputs[name]) if name in SIDES else inputs[name][0] for name in others]
        return {"told": np.hstack([inputs[inside].reshape(ROWS, -1), *told])[None]}


def entry(inside: str, *patches: str, **row: int) -> EntrySpec:
    ((name, width),) = row.items()
    kind, side = inside.split("_")[0], SIDES[patches[0]]
    inputs = [TensorSpec(inside, (AT_ONCE, 3, side, side)), TensorSpec(f"{kind}_{name}", (1, ROWS, width))]
    inputs += [TensorSpec(n, (AT_ONCE, SIDES[n], SIDES[n], 3 * CHANNELS)) for n in patches]
    told = side**2 + width + sum(SIDES[n] ** 2 * CHANNELS for n in patches)
    return EntrySpec(tuple(inputs), (TensorSpec("told", (1, ROWS, told)),))


def by_cell(patches: np.ndarray) -> np.ndarray:
    """(P, n, n, 3·C) → (3·P, n·n·C)."""
    parted = patches.reshape(AT_ONCE, *patches.shape[1:3], 3, CHANNELS)
    return parted.transpose(0, 3, 1, 2, 4).reshape(ROWS, -1)


@pytest.fixture(scope="module")
def known() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        f"{name}{level}": rng.normal(size=(1, *grid, CHANNELS)).astype(np.float32)
        for name in ("stem", "tower")
        for level, grid in GRIDS.items()
    }


def windows(maps: list[np.ndarray], side: int) -> np.ndarray:
    """Around all cells of maps (h, w, C) that are 0 beyond their borders, (A, side·side·C)."""
    found = []
    for cells in maps:
        padded = np.pad(cells, ((side // 2, side // 2), (side // 2, side // 2), (0, 0)))
        around = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
        found.append(np.moveaxis(around, 2, -1).reshape(len(cells) * cells.shape[1], -1))
    return np.concatenate(found)


def maps_of(known, name):
    return [known[f"{name}{level}"][0] for level in GRIDS]


INSIDE = [np.ones((*grid, 1), np.float32) for grid in GRIDS.values()]


@given(cells=some_cells)
def test_a_score_is_told_the_objectness_and_two_cells_around(known, cells):
    objectness = np.random.default_rng(1).random((len(cells), 1), dtype=np.float32)
    told = CellScorer(Echo()).run(known, cells, objectness)["told"]
    inside, stems = (windows(maps, 5)[cells] for maps in (INSIDE, maps_of(known, "stem")))
    np.testing.assert_array_equal(told, np.hstack([inside, objectness, stems]))


@given(cells=some_cells)
def test_a_kernel_is_told_the_box_and_what_stems_and_towers_say_around(known, cells):
    boxes = np.random.default_rng(1).random((len(cells), 4), dtype=np.float32)
    told = CellDescriber(Echo()).run(known, cells, boxes)["told"]
    stems, towers = (windows(maps_of(known, n), side)[cells] for n, side in (("stem", 7), ("tower", 3)))
    np.testing.assert_array_equal(told, np.hstack([windows(INSIDE, 7)[cells], boxes, stems, towers]))


@given(cells=some_cells)
def test_there_are_as_many_runs_as_the_fullest_level_needs(known, cells):
    artefact = Echo()
    CellScorer(artefact).run(known, cells, np.zeros((len(cells), 1), np.float32))
    ends = np.cumsum([height * width for height, width in GRIDS.values()])
    of_levels = np.bincount(np.searchsorted(ends, cells, side="right"), minlength=3)
    assert len(artefact.given) == -(-of_levels.max() // AT_ONCE)


def test_of_what_an_earlier_frame_showed_nothing_is_inside(known):
    artefact = Echo()
    describer = CellDescriber(artefact)
    for cells in ([0, 70, 76], [59]):
        describer.run(known, np.array(cells), np.full((len(cells), 4), 0.5, np.float32))
    of_slots = artefact.given[1]["chosen_inside"].any(axis=(2, 3))
    assert of_slots.tolist() == [[True, False, False], [False] * 3, [False] * 3]


def test_an_entry_of_another_kind_is_refused():
    artefact = Echo()
    del artefact.metadata.entries["describe"]
    with pytest.raises(UnfitArtefactError, match="by an older mobilevis, with another describe"):
        CellDescriber(artefact)
