from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from mobilevis.benchmarks.latency.report.markdown import to_markdown
from mobilevis.benchmarks.latency.report.page import to_html
from mobilevis.benchmarks.latency.report.plots import (
    distribution_plot,
    interval_plot,
    mean_stages,
    stages_plot,
    time_plot,
)
from mobilevis.benchmarks.latency.report.svg import Scale
from tests.benchmarks.latency.samples import entries, frames, report, result

READINGS = [
    {"at_s": 0.0, "frequencies_khz": {}, "temperatures_c": {"cpu": 40.0, "skin": 31.0}},
    {"at_s": 1.0, "frequencies_khz": {}, "temperatures_c": {"cpu": 44.0, "skin": 31.5}},
]


def test_the_table_says_when_a_result_is_not_valid_and_why():
    text = to_markdown(report(result(reasons=["frequency dropped by 8% to 2200 MHz"])))
    assert "model_320x640_fp32.tflite (NOT VALID)" in text
    assert "NOT VALID: frequency dropped by 8% to 2200 MHz" in text


def test_the_setup_names_cores_clock_threads_and_protocol():
    text = to_markdown(report())
    assert "7 at 2.40 GHz" in text
    assert "prime, 7, allowed 7; threads 1" in text
    assert "quick, ≥ 128 runs and ≥ 10 s" in text


def test_the_frames_of_a_clip_are_one_run():
    clips = replace(frames(count=120), at_s=[float(i // 8) for i in range(120)])
    text = to_markdown(report(result("clips.onnx", workloads={"frames": clips})))
    assert "| clips.onnx | amortised | 15 |" in text


def test_what_was_not_measured_says_so():
    entries_only = result(workloads={"entries": entries()}, not_measured={"frames": "cv2 not installed"})
    text = to_markdown(report(entries_only))
    assert "not measured: cv2 not installed" in text
    assert "Stages of a frame" not in text


def test_an_interleaved_run_prints_its_ratios():
    text = to_markdown(report(result("a.pte"), result("b.pte"), interleaved=True))
    assert "## a.pte / b.pte: entries" in text
    assert "| total | " in text


def test_profiled_operators_are_shares_never_latencies():
    operators = [
        {"type": "Conv", "name": "stem", "milliseconds": 3.0},
        {"type": "Add", "name": "sum", "milliseconds": 1.0},
    ]
    text = to_markdown(report(result(profile={"entries": {"encode": operators}})))
    assert "| encode | Conv | stem | 75.0% |" in text
    assert "3.0 " not in text.split("Operators")[1]


def test_memory_is_printed_of_its_own_pass():
    memory = {"before_mib": 40.0, "loaded_mib": 80.0, "peak_mib": 120.4, "workload": "frames"}
    assert "| 40 | 80 | 120 |" in to_markdown(report(result(memory=memory)))


def test_a_run_without_samples_has_a_report():
    failed = replace(report(result(workloads={}, before=None, after=None)), error="host lost")
    assert "**The run ended early:** host lost" in to_markdown(failed)
    assert "the run ended early: host lost" in to_html(failed)


@pytest.mark.parametrize(
    "plot",
    [
        distribution_plot(report()),
        stages_plot(report()),
        interval_plot(report()),
        time_plot(result(readings=READINGS)),
    ],
    ids=["distribution", "stages", "interval", "time"],
)
def test_every_plot_is_well_formed(plot):
    root = ElementTree.fromstring(plot)
    assert root.tag.endswith("svg")
    numbers = re.findall(r' (?:x|y|cx|cy|x1|x2|y1|y2)="([^"]+)"', plot)
    assert all(-1 <= float(number) <= 2000 for number in numbers)


def test_the_time_plot_shows_the_hottest_zone_or_says_that_there_is_none():
    assert "hottest zone" in time_plot(result(readings=READINGS))
    assert "temperature not measured" in time_plot(result())


def test_entries_alone_have_a_distribution_and_no_stages():
    alone = report(result(workloads={"entries": entries()}))
    assert "all entries" in distribution_plot(alone)
    assert stages_plot(alone) is None
    assert interval_plot(alone) is None


def test_mean_stages_add_up_to_the_whole_frame():
    series = frames()
    for keyframes in (True, False, None):
        assert sum(mean_stages(series, keyframes).values()) == pytest.approx(
            series.stage("frame", keyframes).mean()
        )


def test_the_page_loads_nothing_and_runs_nothing():
    page = to_html(report(result(readings=READINGS), result("b.pte")))
    assert not re.search(r"<script|<link|src=|@import|url\(", page)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}


def test_names_cannot_inject_markup():
    page = to_html(report(result("<b>&.pte")))
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;.pte" in page


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (12.3, 98.7), (0.001, 0.0042), (5.0, 5.0)])
def test_ticks_lie_within_the_scale(low, high):
    scale = Scale(low, high, 0, 100)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
