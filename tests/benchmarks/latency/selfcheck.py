"""The harness measured by itself: what it adds to an inference, and whether two runs agree.

``python -m tests.benchmarks.latency.selfcheck`` prints the overhead on an entry that does nothing;
with an artefact and CPUs after it, two consecutive standard runs of that artefact, which agree within 5 % in
the median or of which at least one is marked.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

from mobilevis.benchmarks.latency.bench import Plan, run_plan
from mobilevis.benchmarks.latency.transports.local import LocalTransport
from mobilevis.benchmarks.latency.worker.measure import measure
from mobilevis.benchmarks.latency.worker.protocol import Protocol, find_protocol
from mobilevis.benchmarks.latency.worker.workloads import EntriesWorkload, Recording

RUNS = 50_000
MAX_OVERHEAD_US = 20.0
MAX_DISAGREEMENT = 0.05


def measure_overhead() -> float:
    """Microseconds a round of the measuring loop takes with an entry that does nothing."""
    workload = EntriesWorkload(lambda entry, inputs: None, {"nothing": {}})
    protocol = Protocol("overhead", min_runs=RUNS, min_seconds=0.0, max_seconds=60.0)
    rounds, seconds = measure([workload], [Recording()], protocol, lambda elapsed: None, perf_counter())
    return seconds / rounds * 1e6


def measure_agreement(artefact: Path, cpus: str) -> tuple[float, bool]:
    """How far the medians of two consecutive standard runs lie apart, and whether both are valid."""
    plan = Plan((artefact,), find_protocol("standard"), cpus=cpus)
    medians, valid = [], True
    for _ in range(2):
        report, error = run_plan(LocalTransport(), plan)
        if error is not None:
            raise error
        summary = report.artefacts[0].workloads["entries"].summary("total")
        assert summary is not None
        medians.append(summary.p50)
        valid = valid and report.valid
        print(f"median {summary.p50:.3f} ms, {'; '.join(report.artefacts[0].reasons) or 'valid'}")
    return max(medians) / min(medians) - 1, valid


def main(arguments: list[str]) -> int:
    """Print what was measured; the exit status is 1 when a bar is missed."""
    if not arguments:
        overhead = measure_overhead()
        print(f"overhead: {overhead:.1f} µs an inference, at most {MAX_OVERHEAD_US:g}")
        return int(overhead > MAX_OVERHEAD_US)
    apart, valid = measure_agreement(Path(arguments[0]), arguments[1] if len(arguments) > 1 else "all")
    print(f"two standard runs lie {apart:.1%} apart; {'both valid' if valid else 'marked as not valid'}")
    return int(valid and apart > MAX_DISAGREEMENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
