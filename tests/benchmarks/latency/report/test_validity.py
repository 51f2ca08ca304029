from __future__ import annotations

import pytest

from mobilevis.benchmarks.latency.report.validity import judge
from mobilevis.benchmarks.latency.worker.protocol import PROTOCOLS
from tests.benchmarks.latency.samples import entries, frames, result, state

STANDARD = PROTOCOLS["standard"]


def reading(at_s: float, khz: int, degrees: float = 40.0) -> dict[str, object]:
    return {"at_s": at_s, "frequencies_khz": {"7": khz}, "temperatures_c": {"cpu": degrees}}


def reasons(protocol=STANDARD, **fields: object) -> list[str]:
    return judge(result(**fields), protocol, device={})


def test_a_steady_run_on_a_quiet_device_is_valid():
    assert reasons() == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"workloads": {"frames": frames(settled=False)}}, "did not settle"),
        ({"workloads": {"frames": frames(complete=False)}}, "out of time after 120 runs"),
        ({"workloads": {"frames": frames(complete=None)}}, "interrupted after 120 runs"),
        ({"workloads": {"frames": frames(others_on_pinned_cores=0.2)}}, "others used 20% of a pinned core"),
        ({"workloads": {"frames": frames(others_anywhere=1.5)}}, "others used 1.5 cores"),
        ({"workloads": {}}, "nothing was measured"),
        ({"after": None}, "did not end"),
        ({"readings": [reading(0, 2_400_000), reading(1, 2_200_000)]}, "frequency dropped by 8% to 2200 MHz"),
        ({"after": state(3.0, probe_ms=1.1)}, "9% slower after the run"),
        (
            {"before": state(thermal_status=0), "after": state(thermal_status=1)},
            "thermal status rose from 0 to 1",
        ),
        (
            {"before": state(temperatures_c={"cpu": 40.0}), "readings": [reading(1, 2_400_000, 58.0)]},
            "cpu warmed by 18",
        ),
    ],
)
def test_each_doubt_is_a_reason(fields, reason):
    (found,) = reasons(**fields)
    assert reason in found


def test_a_device_that_was_warm_before_and_is_no_warmer_is_no_doubt():
    warm = state(thermal_status=1)
    assert reasons(before=warm, after=warm) == []


def test_frames_without_any_instance_lack_two_stages():
    empty = frames()
    object.__setattr__(empty, "instances", [0] * len(empty.at_s))
    assert "segment and masks were not run" in reasons(workloads={"frames": empty})[0]


def test_an_unstable_median_is_a_reason_and_two_modes_are_not():
    drifting = entries()
    total = [value * (1.0 + 0.2 * i / 60) for i, value in enumerate(drifting.milliseconds["total"])]
    object.__setattr__(drifting, "milliseconds", {"total": total})
    assert "unstable median" in reasons(workloads={"entries": drifting})[0]
    assert reasons(workloads={"frames": frames(key_ms=200.0)}) == []


def test_a_shown_frequency_outranks_the_probe():
    steady = [reading(0, 2_400_000), reading(1, 2_400_000)]
    assert reasons(readings=steady, after=state(3.0, probe_ms=1.1)) == []


def test_a_clock_that_the_kernel_shows_as_0_says_nothing():
    assert reasons(readings=[reading(0, 0), reading(1, 2_400_000)]) == []


def test_a_sustained_run_may_heat_and_drift():
    hot = [reading(0, 2_400_000), reading(1, 1_200_000)]
    assert reasons(PROTOCOLS["sustained"], readings=hot) == []


def test_emulated_times_are_no_latencies():
    (reason,) = judge(result(), STANDARD, {"emulator": "qemu-aarch64"})
    assert reason == "emulated by qemu-aarch64: its times are no latencies"


def test_the_busiest_other_processes_are_named():
    busy = frames(others_on_pinned_cores=0.5, users=[{"name": "kswapd0", "cores": 0.5}])
    assert "(kswapd0)" in reasons(workloads={"frames": busy})[0]
