"""Parity vectors: any device can tell whether it computes what PyTorch computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.parity_vectors import check_parity_vectors, hash_uniform, pseudo_random_inputs


def lowbias32(x: int) -> int:
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ (x >> 16)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_numbers_follow_the_documented_integer_formula(seed):
    expected = [lowbias32((i + 2654435761 * seed) % 2**32) / 2**32 for i in range(100)]
    assert hash_uniform(100, seed).tolist() == expected


def test_a_frame_holds_pixel_values_and_features_are_normalised(toy_artefacts):
    metadata = load_artefact(toy_artefacts["onnx"]).metadata
    frame = pseudo_random_inputs(metadata, "look")["frame"]
    assert frame.min() == 0
    assert frame.max() == 255
    assert np.array_equal(frame, np.round(frame))
    features = pseudo_random_inputs(metadata, "paint")["features"]
    assert abs(features.mean()) < 0.05
    assert abs(features.std() - 1) < 0.05


@pytest.mark.parametrize("form", ["onnx", "pte", "tflite"])
def test_a_sound_artefact_passes_on_every_output(toy_artefacts, form):
    results = check_parity_vectors(load_artefact(toy_artefacts[form]))
    assert {(r.entry, r.output) for r in results} >= {("look", "features"), ("paint", "scores")}
    assert all(r.passed and r.max_abs <= r.tolerance for r in results)


def test_a_device_that_computes_something_else_is_told(toy_artefacts, monkeypatch):
    artefact = load_artefact(toy_artefacts["onnx"])
    run = artefact._run

    def off(entry, inputs):
        outputs = run(entry, inputs)
        return {**outputs, "masks": outputs["masks"] + np.float32(0.01)} if entry == "paint" else outputs

    monkeypatch.setattr(artefact, "_run", off)
    with pytest.raises(UserError, match=r"onnxruntime differs from PyTorch .* output masks of entry paint"):
        check_parity_vectors(artefact)


def test_an_artefact_without_vectors_says_so(toy_artefacts):
    artefact = load_artefact(toy_artefacts["onnx"])
    artefact.metadata = replace(artefact.metadata, parity={})
    with pytest.raises(UserError, match="carries no parity vectors"):
        check_parity_vectors(artefact)
