"""Running an entry: the same on every engine, and nothing misread, overwritten or not a number."""

from __future__ import annotations

import builtins
import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from mobilevis.runtime.artefact import load_artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.formats import ENGINES
from mobilevis.runtime.parity_vectors import pseudo_random_inputs

FORMATS = ("onnx", "pte", "tflite")
PACKAGES = {"onnx": ("onnxruntime",), "pte": ("torch",), "tflite": ("ai_edge_litert", "tflite_runtime")}


@pytest.fixture(params=FORMATS)
def artefact(request, toy_artefacts):
    return load_artefact(toy_artefacts[request.param])


def frame(value: float = 100.0) -> np.ndarray:
    return np.full((1, 3, 64, 96), value, dtype=np.float32)


def test_outputs_come_by_name_in_the_metadata_order(artefact):
    outputs = artefact.run("paint", pseudo_random_inputs(artefact.metadata, "paint"))
    assert list(outputs) == ["masks", "scores", "next_queries"]
    assert {array.dtype for array in outputs.values()} == {np.dtype(np.float32)}


def test_a_later_run_overwrites_no_output(artefact):
    first = artefact.run("look", {"frame": frame(10)})["features"]
    kept = first.copy()
    second = artefact.run("look", {"frame": frame(200)})["features"]
    assert np.array_equal(first, kept)
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "takes frame; got nothing"),
        ({"image": frame()}, "takes frame; got image"),
        ({"frame": frame()[:, :, ::2]}, "has shape"),
        ({"frame": frame().astype(np.float64)}, "is not a float32 array"),
        ({"frame": frame().tolist()}, "is not a float32 array: list"),
        ({"frame": frame().swapaxes(2, 3).copy().swapaxes(2, 3)}, "is not contiguous"),
        ({"frame": frame().astype(">f4")}, "is not a float32 array"),
    ],
)
def test_an_input_that_could_be_misread_is_refused(artefact, inputs, message):
    with pytest.raises(ValueError, match=message):
        artefact.run("look", inputs)


def test_an_unknown_entry_lists_the_known_ones(artefact):
    with pytest.raises(ValueError, match="unknown entry encode; this artefact has look, paint"):
        artefact.run("encode", {})


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "NaN|infinity")])
def test_an_output_that_is_not_finite_is_named(artefact, value, word):
    with pytest.raises(UserError, match=rf"output (features|summary) of entry look holds ({word})"):
        artefact.run("look", {"frame": frame(value)})


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_what_was_asked_for(toy_artefacts, form, threads):
    if len(os.sched_getaffinity(0)) < threads:
        pytest.skip(f"this machine has fewer than {threads} cores")
    gc.collect()  # a living .pte artefact of another test would hold ExecuTorch's pool
    artefact = load_artefact(toy_artefacts[form], threads=threads)
    artefact.run("look", {"frame": frame()})
    assert artefact.threads == threads


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine has one core")
def test_a_second_pte_cannot_change_the_pool_of_the_first(toy_artefacts):
    """XNNPACK keeps the pool's address: a reset under a living artefact aborts the process."""
    gc.collect()
    first = load_artefact(toy_artefacts["pte"], threads=1)
    with pytest.raises(UserError, match="pool is in use with 1 threads"):
        load_artefact(toy_artefacts["pte"], threads=2)
    first.run("look", {"frame": frame()})


@pytest.mark.parametrize("form", FORMATS)
def test_an_engine_that_is_not_installed_says_what_to_install(monkeypatch, toy_artefacts, form):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] in PACKAGES[form]:
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    extra = next(name for name, info in ENGINES.items() if info.format == form)
    with pytest.raises(UserError, match=rf'not installed: pip install "mobilevis\[{extra}\]"'):
        load_artefact(toy_artefacts[form])


def test_loading_onnx_and_tflite_imports_no_torch(toy_artefacts):
    code = (
        "import sys; from mobilevis.runtime.artefact import load_artefact\n"
        "for path in sys.argv[1:]: load_artefact(path)\n"
        "assert 'torch' not in sys.modules"
    )
    paths = [str(toy_artefacts["onnx"]), str(toy_artefacts["tflite"])]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)


def test_threads_that_share_an_artefact_get_their_own_outputs(artefact):
    """LiteRT's interpreter holds its inputs and outputs: without a lock a third of them were mixed up."""
    values = (10.0, 200.0)
    expected = {value: artefact.run("look", {"frame": frame(value)})["features"] for value in values}
    wrong, start = [], threading.Barrier(len(values))

    def run(value: float) -> None:
        start.wait()
        for _ in range(40):
            found = artefact.run("look", {"frame": frame(value)})["features"]
            if not np.array_equal(found, expected[value]):
                wrong.append(value)

    threads = [threading.Thread(target=run, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
