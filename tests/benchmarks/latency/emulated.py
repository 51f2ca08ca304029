"""``mobilevis`` with more protocols, for a device whose times are no latencies: no warm-up, few rounds.

On an emulated core a median settles late or never: a preset warms up for 20 s of it, then measures for 10.
"""

from __future__ import annotations

import sys

from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS, Protocol


def add_protocol(name: str, rounds: int, seconds: float = 0.0) -> None:
    """A preset of at least so many rounds, and of so many seconds."""
    PROTOCOLS[name] = Protocol(
        name, rounds, seconds, max_seconds=900, warmup_seconds=0, max_warmup_seconds=0, window=1
    )


if __name__ == "__main__":
    add_protocol("4-rounds", 4)
    add_protocol("20-rounds", 20)
    add_protocol("until-stopped", 1, 900)
    from mobilevis.cli.main import main  # behind them: its options list the protocols

    sys.exit(main())
