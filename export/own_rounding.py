"""The network's own rounding, which an output beyond the table's limit is measured against.

Where a threshold decides, such as which cells masked attention reads, rounding flips it on a frame here and
there, and two engines then differ by what the cell says, however well each computes. Float64 tells how far
float32 itself is from exact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mobilevis.export.eager import EagerArtefact
from mobilevis.export.parity import OutputParity, ParityReport, Reference, compare_outputs
from mobilevis.export.recorder import Call
from mobilevis.export.tolerances import AnyTolerance, TaskTolerance
from mobilevis.runtime.arrays import Array

# Of each call in float32. Flips are chance: twelve runs of a MinVIS trained for 3,000 iterations, whose
# inputs were moved within rounding, are 3.0e-4 to 3.6e-3 from float64. Measured on one run, the rule below
# refuses 0.3 of the pairs of such runs, on four 0.1, on eight 0.014.
RUNS = 8
# Two computations that are each so far from the exact one differ by twice that at most.
FACTOR = 2.0
# Times the table's limit: no network's rounding excuses more.
MOST = 10.0
HALF_ULP = 2.0**-24


def allow_own_rounding(
    parity: ParityReport, tolerance: AnyTolerance, eager: EagerArtefact, reference: Reference
) -> ParityReport:
    """Give outputs that are beyond the table's limit one of their own: ``FACTOR`` times their own rounding.

    Never above ``MOST`` times the table's, and only where the middle call is within the table's: flips are
    rare, and a wrong graph is wrong on every frame.

    Args:
        parity: what the gate measured.
        tolerance: a row of the table.
        eager: the network.
        reference: what the gate compared with.

    Returns:
        The same report where every output passes, where none may be excused, or where outputs are no matter
        of the tolerance; a network that does not run in float64 keeps the table's limit.
    """
    if isinstance(tolerance, TaskTolerance):
        return parity
    table = tolerance.max_abs
    beyond = [o for o in parity.outputs if table < o.error <= MOST * table and o.middle <= table]
    if not beyond:
        return parity
    own = measure_own_rounding(eager, reference.calls, {(o.entry, o.output) for o in beyond})
    return replace(parity, outputs=tuple(_excused(o, table, own) for o in parity.outputs))


def measure_own_rounding(
    eager: EagerArtefact, calls: Sequence[Call], outputs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], float]:
    """How far float32 is from float64, on eager PyTorch.

    Args:
        eager: the network.
        calls: runs of its entries.
        outputs: (entry, output) each.

    Returns:
        (entry, output) → the worst ``OutputParity.error`` of ``RUNS`` runs of each call, whose inputs are
        moved within their rounding; without the entries that do not run in float64.
    """
    random = np.random.default_rng(0)
    own: dict[tuple[str, str], float] = {}
    for entry in dict.fromkeys(entry for entry, _ in outputs):
        exact = eager.in_float64(entry)
        for call in (call for call in calls if call.entry == entry):
            try:
                expected = exact(call.inputs)
            except RuntimeError:  # an operator lacks float64, or meets a constant in float32
                break
            moved = (_move(call.inputs, random) for _ in range(RUNS - 1))
            for found in (call.outputs, *(eager.run(entry, inputs) for inputs in moved)):
                for name in (name for name in expected if (entry, name) in outputs):
                    error = compare_outputs(call, name, expected[name], found[name]).error
                    own[entry, name] = max(own.get((entry, name), 0.0), error)
    return own


def _move(inputs: Mapping[str, Array], random: np.random.Generator) -> dict[str, Array]:
    return {
        name: (array * (1 + random.uniform(-HALF_ULP, HALF_ULP, array.shape))).astype(np.float32)
        for name, array in inputs.items()
    }


def _excused(output: OutputParity, table: float, own: Mapping[tuple[str, str], float]) -> OutputParity:
    rounding = own.get((output.entry, output.output))
    if rounding is None:
        return output
    limit = max(table, min(FACTOR * rounding, MOST * table))
    return replace(output, own_rounding=rounding, limit=limit)
