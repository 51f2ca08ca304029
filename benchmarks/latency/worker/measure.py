"""The loop: warm up until the median settles, then step until the protocol is served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Callable

from mobilevis.benchmarks.latency.worker.job import TOTAL
from mobilevis.benchmarks.latency.worker.protocol import Protocol
from mobilevis.benchmarks.latency.worker.workloads import Recording, Workload

Clock = Callable[[], float]
OnRound = Callable[[float], None]


@dataclass
class WarmUp:
    """How one workload warmed up.

    Attributes:
        milliseconds: of each step, in order; the first is the first inference after loading.
        settled: whether the running median settled before the protocol's limit.
    """

    milliseconds: list[float] = field(default_factory=list)
    settled: bool = False


def warm_up(workloads: Sequence[Workload], protocol: Protocol, clock: Clock = perf_counter) -> list[WarmUp]:
    """Step through the workloads, in turn, until each one's running median has settled or time is out."""
    logs = [WarmUp() for _ in workloads]
    kinds: list[tuple[list[float], list[float]]] = [([], []) for _ in workloads]
    start = clock()
    running = True
    while running:
        for workload, log, (keyframes, others) in zip(workloads, logs, kinds):
            steps = workload.step()
            log.milliseconds += [step.milliseconds[TOTAL[workload.kind]] for step in steps]
            (keyframes if steps[-1].is_keyframe else others).append(log.milliseconds[-1])
        elapsed = clock() - start
        # The median of key and other frames together would jump between the two: the others' settles.
        steady = [others or keyframes for keyframes, others in kinds]
        running = not all(protocol.may_stop_warmup(durations, elapsed) for durations in steady)
    for log, durations in zip(logs, steady):
        log.settled = protocol.has_settled(durations, elapsed)
    return logs


def measure(
    workloads: Sequence[Workload],
    recordings: Sequence[Recording],
    protocol: Protocol,
    on_round: OnRound,
    origin: float,
    clock: Clock = perf_counter,
) -> tuple[int, float]:
    """Step through the workloads, in turn, until the protocol is served.

    Args:
        workloads: stepped A B A B, so that each round gives pairs.
        recordings: one for each workload; the steps go in here.
        protocol: when to stop.
        on_round: called after each round, outside the timed steps, with the seconds so far; it may take what
            was recorded.
        origin: the clock's reading that samples count their seconds from.
        clock: seconds.

    Returns:
        Rounds and seconds.
    """
    start = clock()
    rounds = 0
    while True:
        for workload, recording in zip(workloads, recordings):
            at_s = clock() - origin
            for step in workload.step():
                recording.add(at_s, step)
        rounds += 1
        elapsed = clock() - start
        on_round(elapsed)
        if protocol.may_stop(rounds, elapsed):
            return rounds, elapsed
