"""Kotlin's frames beside Python's: what is said of their times."""

from __future__ import annotations

import pytest

from mobilevis.benchmarks.latency.runtimes import STEP, compare, measure_host_share


def frames(scale: float) -> list[dict[str, float]]:
    keyframe = {"frame": 10.0, "encode": 6.0, "decode": 2.0, "segment": 1.0, "resize": 1.0}
    other = {"frame": 8.0, "encode": 6.0, "segment": 1.0, "resize": 1.0}
    return [{stage: scale * ms for stage, ms in each.items()} for each in [keyframe, other, other] * 4]


def test_host_work_is_what_no_entry_computes() -> None:
    assert measure_host_share(frames(1.0)) == pytest.approx(3 / 26)


def test_the_ratio_is_that_of_whole_rounds() -> None:
    assert len(frames(1.0)) % STEP == 0
    lines = compare(frames(1.5), frames(1.0))
    assert lines[0] == "a frame: Kotlin 13.00 ms, Python 8.67 ms (medians of rounds)"
    assert lines[1] == "ratio of the means 1.500 [1.500, 1.500]"
    assert lines[2].startswith("Kotlin: host work 11.5% of a frame; ms: decode 1.00, encode 9.00")
