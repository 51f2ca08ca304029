"""``mobilevis`` with more protocols, for a device whose times are no latencies: no warm-up, few rounds.

On an emulated core a median settles late or never: a preset warms up for 20 s of it, then measures for 10.
"""

from __future__ import annotations

import sys

from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS, Protocol

if __name__ == "__main__":
    for rounds in (4, 20):
        name = f"{rounds}-rounds"
        PROTOCOLS[name] = Protocol(
            name, rounds, 0, max_seconds=900, warmup_seconds=0, max_warmup_seconds=0, window=1
        )
    from mobilevis.cli.main import main  # behind them: its options list the protocols

    sys.exit(main())
