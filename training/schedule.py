"""Learning-rate schedules as factors of the base rate: plain functions of the iteration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Schedule = Callable[[int], float]


def step_decay(milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    """1, then one more factor gamma from each milestone on (the paper's schedule)."""
    return lambda iteration: gamma ** sum(iteration >= milestone for milestone in milestones)


def cosine_decay(iterations: int, final: float = 0.0) -> Schedule:
    """Half a cosine from 1 at iteration 0 to ``final`` at the last."""

    def factor(iteration: int) -> float:
        progress = min(iteration / max(iterations - 1, 1), 1.0)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))

    return factor


def with_warmup(schedule: Schedule, iterations: int, start: float = 0.001) -> Schedule:
    """The schedule times a linear ramp from ``start`` to 1 over the first iterations."""

    def factor(iteration: int) -> float:
        ramp = 1.0 if iteration >= iterations else start + (1 - start) * iteration / iterations
        return ramp * schedule(iteration)

    return factor
