"""Plain models as baselines: any file of a known format with fixed input shapes, one entry, random inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import MAX_TENSOR_ELEMENTS

ENTRY = "model"
Arrays = Mapping[str, NDArray[Any]]


class PlainModel:
    """A model without metadata, with one entry named ``model``.

    Attributes:
        engine: name of the engine.
        threads: as the engine counts them; None where it does not tell.
        inputs: the entry → random inputs.
    """

    def __init__(
        self, engine: str, threads: Optional[int], inputs: Arrays, infer: Callable[[Arrays], Any]
    ) -> None:
        self.engine = engine
        self.threads = threads
        self.inputs = {ENTRY: inputs}
        self._infer = infer

    def run(self, entry: str, inputs: Arrays) -> Any:
        """Run the model once, inputs and outputs copied as a client would."""
        if entry != ENTRY:
            raise ValueError(f"unknown entry {entry}; a plain model has {ENTRY}")
        return self._infer(inputs)


def random_array(path: Path, name: str, shape: Sequence[Any], dtype: Optional[DTypeLike]) -> NDArray[Any]:
    """A random input: floats in [0, 1), integers and booleans 0 or 1, which any index range holds.

    Raises:
        UserError: the shape is not fixed or not plausible, or the type is unknown.
    """
    fix = "export the model with fixed input shapes of numbers"
    if not all(isinstance(n, (int, np.integer)) and n > 0 for n in shape):
        raise UserError(f"input {name} has no fixed shape: {list(shape)}", path, fix)
    if dtype is None:
        raise UserError(f"input {name} is of a type that is not known here", path, fix)
    if np.prod(shape, dtype=np.float64) > MAX_TENSOR_ELEMENTS:
        raise UserError(f"input {name} of shape {list(shape)} is too large", path, fix)
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.floating):
        return random.random(tuple(shape)).astype(dtype)
    return random.integers(0, 2, tuple(shape)).astype(dtype)
