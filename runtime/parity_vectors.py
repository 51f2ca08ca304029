"""Parity vectors: check an artefact on a device that has neither PyTorch nor the gate's frames.

The exporter stores a few values of every output of eager PyTorch for inputs that an integer formula
defines, so that any device, in any language, can make the same inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilevis.runtime.arrays import Array
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.metadata import Metadata, TensorSpec

SAMPLES = 64


@dataclass(frozen=True)
class VectorResult:
    """One output on this device against eager PyTorch.

    Attributes:
        entry: name of the entry.
        output: name of the output.
        max_abs: largest difference among the stored values.
        relative_norm: relative difference of the L2 norms, over all values.
        tolerance: largest ``max_abs`` allowed, and largest ``relative_norm``.
    """

    entry: str
    output: str
    max_abs: float
    relative_norm: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether both differences are within the tolerance."""
        return self.max_abs <= self.tolerance and self.relative_norm <= self.tolerance


def hash_uniform(count: int, seed: int) -> NDArray[np.float64]:
    """``count`` pseudo-random numbers in [0, 1), the same on every machine and in every language.

    Number i is h(i + 2654435761 * seed) / 2**32 in 32-bit unsigned arithmetic, h being Wellons' ``lowbias32``
    (https://nullprogram.com/blog/2018/07/31/). NumPy's own generators may change their streams.
    """
    x = np.arange(count, dtype=np.uint32) + np.uint32(2654435761 * seed % 2**32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x / 2.0**32


def pseudo_random_inputs(metadata: Metadata, entry: str) -> dict[str, Array]:
    """Inputs of an entry in a realistic range.

    An input of the size of a frame holds whole numbers in [0, 255]; any other has mean 0 and variance 1, as
    features behind a normalisation: √3 times the sum of four uniform numbers less 2.
    """
    inputs = {}
    for position, tensor in enumerate(metadata.entries[entry].inputs):
        count = int(np.prod(tensor.shape))
        if tensor.shape == (1, 3, *metadata.input_size):
            values = np.floor(256 * hash_uniform(count, position))
        else:
            uniform = hash_uniform(4 * count, position).reshape(4, count)
            values = np.sqrt(3) * (uniform.sum(axis=0) - 2)
        inputs[tensor.name] = values.reshape(tensor.shape).astype(np.float32)
    return inputs


def make_parity_vectors(reference: Artefact, tolerance: float) -> dict[str, Any]:
    """The record to store under ``vectors`` in the metadata's parity record.

    Args:
        reference: eager PyTorch behind the engines' interface.
        tolerance: largest difference that a device may show, relative to the root mean square of an output
            where that is larger than 1.
    """
    outputs = {
        entry: {name: _summary(array) for name, array in _run(reference, entry).items()}
        for entry in reference.metadata.entries
    }
    return {"tolerance": tolerance, "outputs": outputs}


def check_parity_vectors(artefact: Artefact) -> list[VectorResult]:
    """Run every entry on the stored vectors' inputs.

    Raises:
        UserError: the artefact carries no vectors, or an output differs by more than the tolerance.
    """
    record = artefact.metadata.parity.get("vectors")
    if record is None:
        raise UserError("the artefact carries no parity vectors", artefact.path, "export the model again")
    results = []
    for entry, spec in artefact.metadata.entries.items():
        outputs = _run(artefact, entry)
        results += [
            _compare(entry, tensor, outputs[tensor.name], record["outputs"][entry][tensor.name], record)
            for tensor in spec.outputs
        ]
    worst = max(results, key=lambda result: max(result.max_abs, result.relative_norm))
    if not worst.passed:
        raise UserError(
            f"{artefact.engine} differs from PyTorch by {worst.max_abs:.1e} (norm {worst.relative_norm:.1e}) "
            f"on output {worst.output} of entry {worst.entry}, allowed is {worst.tolerance:.1e}",
            artefact.path,
            "do not use this artefact on this device; try another engine",
        )
    return results


def _run(artefact: Artefact, entry: str) -> dict[str, Array]:
    return artefact.run(entry, pseudo_random_inputs(artefact.metadata, entry))


def _sample(array: Array) -> Array:
    """SAMPLES values at equal strides of the flattened array, or all of a smaller one."""
    flat = array.reshape(-1)
    count = min(SAMPLES, flat.size)
    return flat[np.arange(count) * flat.size // count]


def _norm(array: Array) -> float:
    return float(np.sqrt(np.square(array, dtype=np.float64).sum()))


def _summary(array: Array) -> dict[str, Any]:
    return {"samples": [float(value) for value in _sample(array)], "norm": _norm(array)}


def _compare(
    entry: str, tensor: TensorSpec, array: Array, stored: Mapping[str, Any], record: Mapping[str, Any]
) -> VectorResult:
    expected = np.asarray(stored["samples"], dtype=np.float64)
    root_mean_square = stored["norm"] / np.sqrt(array.size)
    difference = float(np.abs(_sample(array) - expected).max()) / max(1.0, root_mean_square)
    relative_norm = abs(_norm(array) - stored["norm"]) / max(stored["norm"], np.finfo(np.float32).tiny)
    return VectorResult(entry, tensor.name, difference, relative_norm, record["tolerance"])
