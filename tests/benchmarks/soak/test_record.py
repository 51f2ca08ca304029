"""What counts as flat."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mobilevis.benchmarks.soak.record import Holdings, SoakRecord, SoakResult, parse_result, soak_table

FRAMES = list(range(50, 10_001, 50))


def held(growth: float = 0.0, noise: float = 0.0, **columns) -> Holdings:
    """A process that reserves 20 MiB in its first tenth, then grows by so many bytes a frame."""
    random = np.random.default_rng(0)
    mib = [
        180 + min(count, 1000) / 50 + growth * count / (1 << 20) + noise * float(random.normal())
        for count in FRAMES
    ]
    steady = {"descriptors": [7] * len(FRAMES), "threads": [4] * len(FRAMES)}
    return Holdings(FRAMES, mib, **{**steady, **columns})


def result(holdings: Holdings, asked: int = 10_000) -> SoakResult:
    return SoakResult("a.tflite", "0" * 64, asked, {"engine": "litert"}, holdings)


def test_what_is_reserved_at_the_beginning_is_no_growth():
    assert result(held()).flat
    assert held().slope().value == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("growth", [0.0, 40.0, 300.0])
def test_the_slope_is_found_in_noise_with_an_interval_that_holds_it(growth):
    slope = held(growth, noise=0.05).slope()
    assert slope.low - 1 <= growth <= slope.high + 1
    assert slope.value == pytest.approx(growth, abs=5)


def test_memory_that_grows_is_not_flat():
    (reason,) = result(held(300.0)).reasons
    assert reason == "its memory grows by 300 bytes a frame"


@pytest.mark.parametrize("what", ["descriptors", "threads"])
def test_a_single_descriptor_or_thread_more_is_not_flat(what):
    leaked = held(**{what: [7] * 150 + [8] * 50})
    assert result(leaked).reasons == [f"its {what} grew from 7 to 8"]


def test_threads_that_start_in_the_warm_up_are_none_more():
    assert result(held(threads=[1] * 10 + [4] * 190)).flat


def test_a_stream_that_ended_early_is_not_flat():
    assert result(held(), asked=20_000).reasons == ["it ended after 10000 of 20000 frames"]
    assert result(Holdings()).reasons == ["it ended after 0 of 10000 frames", "too few readings to tell"]


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"frames": [1, 2], "resident_mib": [1.0], "descriptors": [1, 1], "threads": [1, 1]}, ValueError),
        ({"frames": [2, 1], "resident_mib": [1.0] * 2, "descriptors": [1, 1], "threads": [1, 1]}, ValueError),
        ({"frames": [1], "resident_mib": ["1"], "descriptors": [1], "threads": [1]}, TypeError),
        ({"frames": [1], "resident_mib": [1.0], "descriptors": [True], "threads": [1]}, TypeError),
    ],
)
def test_readings_of_no_sense_are_refused(columns, error):
    with pytest.raises(error):
        Holdings(**columns)


def test_a_record_reads_back_and_judges_itself_anew():
    record = SoakRecord("2026", {}, ["mobilevis"], {"address": "local"}, "clip", {}, [result(held(300.0))])
    raw = json.loads(json.dumps(record.to_dict()))
    assert raw["flat"] is False
    assert raw["artefacts"][0]["bytes_a_frame"]["value"] == pytest.approx(300, abs=1e-3)
    assert parse_result(raw["artefacts"][0]) == record.artefacts[0]


def test_the_table_shows_the_memory_after_a_hundred_frames_and_at_the_end():
    (row,) = soak_table([result(held()), result(Holdings())]).rows
    assert row == ["litert", "10,000", "182.0", "200.0", "0.0 [0.0, 0.0]", "7", "4"]
