"""Relative speed of artefacts of one model: the same inputs, one thread, one core, interleaved runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.parity_vectors import pseudo_random_inputs

WARM_UP = 2
ROUNDS = 15
# A clip model's round takes seconds: after a minute five rounds are enough.
LEAST_ROUNDS = 5
PATIENCE_S = 60.0


def time_ratios(artefacts: Mapping[str, Artefact], baseline: str) -> dict[str, float]:
    """Time of all entries of each artefact over the baseline's, median of the rounds' ratios.

    In a round every artefact runs once, so that a change of clock or load meets all of them. These are ratios
    for the export report; milliseconds are the latency harness's to measure.

    Args:
        artefacts: name → artefact of the same model, each loaded with one thread.
        baseline: the name to divide by.
    """
    inputs = {
        entry: pseudo_random_inputs(artefacts[baseline].metadata, entry)
        for entry in artefacts[baseline].metadata.entries
    }
    seconds: dict[str, list[float]] = {name: [] for name in artefacts}
    with one_core():
        begin = time.perf_counter()
        for done in range(WARM_UP + ROUNDS):
            if done >= WARM_UP + LEAST_ROUNDS and time.perf_counter() - begin > PATIENCE_S:
                break
            for name, artefact in artefacts.items():
                start = time.perf_counter()
                for entry, arrays in inputs.items():
                    artefact.run(entry, arrays)
                seconds[name].append(time.perf_counter() - start)
    baseline_seconds = seconds[baseline][WARM_UP:]
    return {
        name: median(own / base for own, base in zip(values[WARM_UP:], baseline_seconds))
        for name, values in seconds.items()
        if name != baseline
    }


@contextmanager
def one_core() -> Iterator[None]:
    """Keep the calling thread on one of its cores; an engine with one thread computes on the calling one."""
    if sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
