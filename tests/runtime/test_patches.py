"""What is gathered around chosen cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mobilevis.models.mobileinst.cell_reader import gather_patches
from mobilevis.runtime.categories import Category
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec
from mobilevis.runtime.patches import CellDescriber

SLOTS, CHANNELS = 5, 4
GRIDS = ((6, 10), (3, 5), (1, 2))
COUNT = sum(height * width for height, width in GRIDS)
NAMES = ("chosen_boxes", "levels", "inside", "stem_patches", "class_patches", "box_patches")


class Echo:
    """An artefact whose ``describe`` keeps what it is given, and answers with the cells' own stems."""

    def __init__(self) -> None:
        shapes = [(1, SLOTS, 4), (1, 3, 1, SLOTS), (1, 1, 3, 3 * SLOTS)] + [(1, CHANNELS, 3, 3 * SLOTS)] * 3
        inputs = tuple(TensorSpec(name, shape) for name, shape in zip(NAMES, shapes))
        outputs = tuple(TensorSpec(n, (1, SLOTS, w)) for n, w in (("kernels", CHANNELS), ("embeddings", 2)))
        self.metadata = Metadata(
            "echo",
            "mobileinst-dense",
            {"describe": EntrySpec(inputs, outputs)},
            (48, 80),
            (Category(1, "a"),),
        )
        self.given = []

    def run(self, entry, inputs):
        self.given.append({name: tensor.copy() for name, tensor in inputs.items()})
        stems = inputs["stem_patches"][0, :, 1, 1::3].T[None]
        return {"kernels": stems, "embeddings": stems[..., :2]}


@pytest.fixture(scope="module")
def known() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        f"{name}{level}": rng.normal(size=(1, CHANNELS, *grid)).astype(np.float32)
        for name in ("stem", "class_tower", "tower")
        for level, grid in zip((3, 4, 5), GRIDS)
    }


@given(chosen=st.lists(st.integers(0, COUNT - 1), max_size=SLOTS, unique=True))
def test_a_frame_s_patches_are_those_that_training_reads(known, chosen):
    artefact, cells = Echo(), np.array(chosen, dtype=np.intp)
    boxes = np.random.default_rng(1).random((len(cells), 4), dtype=np.float32)
    kernels, embeddings = CellDescriber(artefact).describe(known, boxes, cells)
    assert (kernels.shape, embeddings.shape) == ((len(cells), CHANNELS), (len(cells), 2))
    if not len(cells):
        assert not artefact.given
        return
    levels = [
        [torch.from_numpy(known[f"{name}{level}"]) for name in ("stem", "class_tower", "tower")]
        for level in (3, 4, 5)
    ]
    index = torch.from_numpy(cells)
    expected = gather_patches(levels, torch.zeros_like(index), index)
    for name, wanted in zip(NAMES[1:], expected):
        found = artefact.given[0][name]
        shown = wanted.shape[-1]
        np.testing.assert_array_equal(found[..., :shown], wanted.numpy())
        assert not found[..., shown:].any()
    np.testing.assert_array_equal(artefact.given[0]["chosen_boxes"][0, : len(cells)], boxes)


def test_what_an_earlier_frame_showed_is_forgotten(known):
    artefact = Echo()
    describer = CellDescriber(artefact)
    for cells in ([0, 70, 76], [59]):
        describer.describe(known, np.full((len(cells), 4), 0.5, np.float32), np.array(cells))
    assert not artefact.given[1]["levels"][..., 1:].any()
    assert not artefact.given[1]["chosen_boxes"][:, 1:].any()
