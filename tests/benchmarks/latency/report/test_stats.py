from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevis.benchmarks.latency.report.stats import (
    amortised,
    block_resamples,
    mean_ratio,
    paired_ratio,
    quarter_spread,
    summarise,
    unpaired_ratio,
)

latencies = st.lists(st.floats(0.001, 1000), min_size=1, max_size=60)


@settings(max_examples=30, deadline=None)
@given(latencies)
def test_a_summary_is_ordered_and_its_interval_holds_the_median(values):
    summary = summarise(values)
    order = [summary.min, summary.p50, summary.p90, summary.p95, summary.p99, summary.max]
    assert order == sorted(order)
    assert summary.min <= summary.median_low <= summary.p50 <= summary.median_high <= summary.max
    assert summary.count == len(values)


def test_percentiles_interpolate_linearly():
    summary = summarise([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (summary.p50, summary.p90, summary.mean) == (3.0, 4.6, 3.0)
    assert summary.std == pytest.approx(np.std([1, 2, 3, 4, 5], ddof=1))


def test_the_interval_holds_the_true_median_about_as_often_as_it_says():
    random = np.random.default_rng(7)
    held = 0
    for _ in range(60):
        summary = summarise(random.normal(50, 5, 120))
        held += summary.median_low <= 50 <= summary.median_high
    assert held >= 50


def test_correlated_samples_widen_the_interval():
    random = np.random.default_rng(3)
    independent = random.normal(10, 1, 1000)
    correlated = np.repeat(random.normal(10, 1, 100), 10)
    widths = [s.median_high - s.median_low for s in map(summarise, (independent, correlated))]
    assert widths[1] > 1.5 * widths[0]


def test_frames_of_one_answer_are_one_measurement():
    clips = np.random.default_rng(3).normal(10, 1, 60)
    frames = np.repeat(clips, 36)
    one_by_one, of_clips, of_frames = summarise(clips), summarise(frames, runs=60), summarise(frames)
    assert (of_clips.count, of_clips.runs, of_frames.runs) == (2160, 60, 2160)
    widths = [summary.median_high - summary.median_low for summary in (one_by_one, of_clips, of_frames)]
    assert widths[1] == pytest.approx(widths[0], rel=0.3)
    assert widths[2] < 0.8 * widths[0]


@pytest.mark.parametrize("runs", [0, 4])
def test_samples_come_from_at_least_one_run_and_at_most_one_each(runs):
    with pytest.raises(ValueError, match=f"3 samples do not come from {runs} runs"):
        summarise([1.0, 2.0, 3.0], runs)


def test_long_runs_are_resampled_in_pieces():
    assert sum(len(rows) for rows in block_resamples(20_000)) == 1000


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [-1.0], [[1.0]]])
def test_what_no_clock_gives_is_refused(values):
    with pytest.raises(ValueError, match="samples"):
        summarise(values)


@settings(max_examples=20, deadline=None)
@given(latencies, st.floats(0.1, 10))
def test_a_scaled_series_has_the_scale_as_its_ratio(values, scale):
    scaled = [scale * value for value in values]
    ratios = (paired_ratio(scaled, values, runs=1), mean_ratio(scaled, values, paired=True))
    for ratio in (*ratios, paired_ratio(scaled, values)):
        assert ratio.value == pytest.approx(scale)
        assert ratio.low == pytest.approx(scale)
        assert ratio.high == pytest.approx(scale)
    assert unpaired_ratio(scaled, values).value == pytest.approx(scale)


def test_pairs_see_a_difference_that_drift_hides_from_unpaired_runs():
    random = np.random.default_rng(5)
    drift = np.linspace(10, 20, 300)
    a, b = drift * 1.02 * random.normal(1, 0.002, 300), drift * random.normal(1, 0.002, 300)
    assert paired_ratio(a, b).is_distinct
    assert not unpaired_ratio(a, b).is_distinct


def test_the_same_distribution_is_not_distinct():
    random = np.random.default_rng(1)
    ratio = unpaired_ratio(random.normal(10, 1, 200), random.normal(10, 1, 200))
    assert not ratio.is_distinct


def test_unequal_lengths_are_not_pairs():
    with pytest.raises(ValueError, match="are not pairs"):
        paired_ratio([1.0, 2.0], [1.0])


def test_a_zero_has_no_ratio():
    with pytest.raises(ValueError, match="ratio"):
        paired_ratio([1.0], [0.0])


@given(st.floats(1, 100), st.floats(1, 100), st.integers(1, 50))
def test_the_amortised_cost_lies_between_key_and_other(key, other, interval):
    cost = amortised(key, other, interval)
    assert min(key, other) - 1e-9 <= cost <= max(key, other) + 1e-9
    assert amortised(key, other, 1) == pytest.approx(key)


def test_a_drifting_run_has_quarters_that_lie_apart():
    assert quarter_spread([10.0] * 50 + [11.0] * 50) == pytest.approx(0.1)
    assert quarter_spread([10.0] * 100) == 0.0
