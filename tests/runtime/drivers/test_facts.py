"""An artefact whose metadata say what its entries are not is refused before a frame."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.segmenter import VideoSegmenter
from tests.runtime.conftest import ColorArtefact
from tests.runtime.drivers.squares import SquaresArtefact

NETWORKS = [ColorArtefact, SquaresArtefact]


def refused(artefact) -> str:
    artefact.path = "art.onnx"
    with pytest.raises(UserError, match=r"\(art\.onnx\): export the model again$") as error:
        VideoSegmenter(artefact)
    return str(error.value)


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("option", ["keyframe_interval", "max_instances", "mask_stride"])
@pytest.mark.parametrize("value", [None, 0, -1, 1.5, "8", True, 10**12, float("inf"), [3]])
def test_an_option_that_counts_nothing(make, option, value):
    artefact = make()
    options = {**artefact.metadata.options, option: value}
    artefact.metadata = replace(artefact.metadata, options=options)
    assert f"option {option} of the artefact is {value!r}" in refused(artefact)


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize(
    ("option", "what"), [("max_instances", "kernels of segment"), ("mask_stride", "mask_logits")]
)
def test_an_option_that_is_not_the_masks(make, option, what):
    artefact = make()
    options = {**artefact.metadata.options, option: 2 * artefact.metadata.options[option]}
    artefact.metadata = replace(artefact.metadata, options=options)
    assert what in refused(artefact)


@pytest.mark.parametrize("make", NETWORKS)
def test_classes_that_nothing_scores(make):
    artefact = make()
    artefact.metadata = replace(artefact.metadata, classes=artefact.metadata.classes[:1])
    assert "scores is" in refused(artefact)


@pytest.mark.parametrize(
    ("entry", "kind", "name"),
    [
        ("decode", "inputs", "likely_stems"),
        ("decode", "inputs", "likely_objectness"),
        ("decode", "outputs", "scores"),
        ("describe", "inputs", "chosen_inside"),
        ("describe", "inputs", "chosen_towers"),
        ("describe", "outputs", "embeddings"),
        ("encode", "outputs", "boxes"),
        ("encode", "outputs", "stem4"),
        ("encode", "outputs", "tower5"),
        ("segment", "inputs", "kernels"),
    ],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_cells_and_patches_of_another_number(entry, kind, name, axis):
    artefact = SquaresArtefact()
    spec = artefact.metadata.entries[entry]
    tensors = [
        replace(t, shape=tuple(n + (i == axis) for i, n in enumerate(t.shape))) if t.name == name else t
        for t in getattr(spec, kind)
    ]
    artefact.metadata.entries[entry] = replace(spec, **{kind: tuple(tensors)})
    assert "ask for" in refused(artefact)


@pytest.mark.parametrize("name", ["stem3", "tower4", "objectness"])
def test_what_encode_does_not_say(name):
    artefact = SquaresArtefact()
    spec = artefact.metadata.entries["encode"]
    outputs = tuple(tensor for tensor in spec.outputs if tensor.name != name)
    artefact.metadata.entries["encode"] = replace(spec, outputs=outputs)
    assert f"the artefact has no output {name} of entry encode" in refused(artefact)
