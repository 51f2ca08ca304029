"""What every engine checks of an entry's inputs and outputs, without any engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilevis.runtime.categories import Category
from mobilevis.runtime.engines.base import Artefact, check_inputs
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import EntrySpec, Metadata, TensorSpec

SPEC = EntrySpec((TensorSpec("x", (2, 3)),), (TensorSpec("y", (2, 2)),))


class Answering(Artefact):
    """Gives the same output whatever it is asked."""

    engine = "answering"
    threads = 1

    def __init__(self, output: np.ndarray) -> None:
        self.metadata = Metadata("toy", "toy", {"run": SPEC}, (64, 64), (Category(1, "dog"),))
        self.path = Path("toy.onnx")
        self._output = output

    def _run(self, entry, inputs):
        return {"y": self._output}


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_one_value_that_is_not_finite_is_enough(value, word):
    output = np.ones((2, 2), dtype=np.float32)
    output[1, 0] = value
    with pytest.raises(UserError, match=f"output y of entry run holds {word}"):
        Answering(output).run("run", {"x": np.ones((2, 3), dtype=np.float32)})


def test_a_transposed_array_is_refused():
    with pytest.raises(ValueError, match="input x of entry run is not contiguous"):
        check_inputs("run", SPEC, {"x": np.ones((3, 2), dtype=np.float32).T})


def test_an_array_that_lies_between_words_is_refused():
    unaligned = np.frombuffer(bytes(25), dtype=np.uint8)[1:].view(np.float32).reshape(2, 3)
    with pytest.raises(ValueError, match="not contiguous"):
        check_inputs("run", SPEC, {"x": unaligned})
