from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from rich.console import Console

from mobilevis.benchmarks.latency.report.csv_table import to_csv
from mobilevis.benchmarks.latency.report.page import to_html
from mobilevis.benchmarks.latency.report.plots import (
    distribution_plot,
    interval_plot,
    mean_stages,
    stages_plot,
)
from mobilevis.benchmarks.latency.report.svg import Scale
from mobilevis.benchmarks.latency.report.tables import (
    describe_setup,
    format_ms,
    group_reasons,
    report_tables,
)
from mobilevis.benchmarks.latency.report.time_plots import time_plots
from mobilevis.cli.latency_report import print_report
from tests.benchmarks.latency.samples import entries, frames, report, result

READINGS = [
    {"at_s": 0.0, "frequencies_khz": {}, "temperatures_c": {"cpu": 40.0, "skin": 31.0}},
    {"at_s": 1.0, "frequencies_khz": {}, "temperatures_c": {"cpu": 44.0, "skin": 31.5}},
]


def printed(report, width: int = 100) -> str:
    """What the terminal shows of a report, without blanks at the ends of lines."""
    console = Console(width=width, file=io.StringIO())
    print_report(console, report)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def table_of(report, title: str):
    """The table of this title."""
    (found,) = (table for table in report_tables(report) if table.title.startswith(title))
    return found


def test_a_result_that_is_not_valid_says_so_and_why():
    text = printed(report(result(reasons=["frequency dropped by 8% to 2200 MHz"])))
    assert re.search(r"A\*  model_320x640_fp32.tflite +litert +NOT VALID", text)
    assert "A  frequency dropped by 8% to 2200 MHz" in text


def test_a_reason_of_several_artefacts_is_said_once():
    busy, drift = "busy machine, others used 83%", "unstable median"
    both = report(result("a.pte", reasons=[busy]), result("b.pte", reasons=[busy, drift]), interleaved=True)
    assert group_reasons(both) == [("A B", busy), ("B", drift)]
    assert printed(both).count(busy) == 1
    assert to_html(both).count(busy) == 1


LONG = "mobileinst-seaformer-large_320x640_fp32.tflite"


@pytest.mark.parametrize("kind", ["alone", "four interleaved"])
def test_every_line_fits_100_columns_and_no_cell_is_cut(kind):
    slow = {"entries": entries(encode_ms=1234.5), "frames": frames(key_ms=3210.0, other_ms=2109.0)}
    artefacts = [result(LONG, workloads=slow)]
    if kind != "alone":
        artefacts += [result(f"{letter}-{LONG}", workloads=slow, reasons=["x" * 90]) for letter in "bcd"]
    whole = report(*artefacts, interleaved=kind != "alone")
    text = printed(whole)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text.replace("driver’s", "")
    for table in report_tables(whole):
        for row in table.filled_rows:
            for cell in row[2:]:
                assert cell in text


def test_80_columns_break_names_and_intervals_but_no_number():
    text = printed(report(result(LONG)), width=80)
    assert "…" not in text.replace("driver’s", "")
    words = set(re.split(r"[\s\[\],]+", text))
    for row in table_of(report(), "Entries").filled_rows:
        assert set(re.findall(r"[\d.]+", " ".join(row[2:]))) <= words


def test_frames_a_second_are_those_of_the_amortised_frame():
    mean = frames().stage("frame").mean()
    (row,) = table_of(report(), "Summary").filled_rows
    assert row[-2:] == [f"{mean:.2f}", f"{1000 / mean:.1f}"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0.000"),
        (0.01234, "0.012"),
        (1.23456, "1.235"),
        (123.456, "123.5"),
        (12345.6, "12346"),
    ],
)
def test_milliseconds_have_four_significant_digits(value, text):
    assert format_ms(value) == text


def test_the_setup_names_cores_clock_threads_and_protocol():
    setup = dict(describe_setup(report()))
    assert setup["device"].endswith("7 at 2.40 GHz")
    assert setup["cores"] == "prime, 7, allowed 7"
    assert setup["threads"] == "1"
    assert setup["protocol"] == "quick, ≥ 128 runs and ≥ 10 s"
    assert "verified" not in setup
    assert "not compared" in dict(describe_setup(report(verified=False)))["verified"]


def test_the_frames_of_a_clip_are_one_run():
    clips = replace(frames(count=120), at_s=[float(i // 8) for i in range(120)])
    rows = table_of(report(result("clips.onnx", workloads={"frames": clips})), "Whole frames").rows
    assert ["A", "amortised", "15"] in [list(row[:3]) for row in rows]


def test_what_was_not_measured_says_so():
    entries_only = result(workloads={"entries": entries()}, not_measured={"frames": "cv2 not installed"})
    text = " ".join(printed(report(entries_only)).split())
    assert "Frames not measured: cv2 not installed." in text
    assert "Stages of a frame" not in text


def test_an_interleaved_run_begins_with_its_ratios():
    text = printed(report(result("a.pte"), result("b.pte"), interleaved=True))
    assert "Ratios of time" in text.split("Summary")[0]
    assert re.search(r"A / B  all entries: total +no difference seen +1\.000  \[1\.000, 1\.000\]", text)


def test_a_plain_model_is_compared_with_and_has_no_keyframes():
    forward = replace(frames(), is_keyframe=[None] * 120, instances=[None] * 120)
    forward = replace(forward, milliseconds={"frame": [10.0] * 120})
    plain = result("peer.onnx", is_baseline=True, workloads={"frames": forward})
    both = report(result(), plain, interleaved=True)
    assert [row[1] for row in table_of(both, "Whole frames").rows] == [
        "keyframe",
        "other",
        "amortised",
        "forward",
    ]
    text = printed(both)
    assert "peer.onnx (plain)" in text
    assert "against plain model" not in text
    assert "forward" in distribution_plot(both)


def test_profiled_operators_are_shares_never_latencies():
    operators = [
        {"type": "Conv", "name": "stem", "milliseconds": 3.0},
        {"type": "Add", "name": "sum", "milliseconds": 1.0},
    ]
    table = table_of(report(result(profile={"entries": {"encode": operators}})), "Operators")
    assert [list(row) for row in table.rows] == [
        ["encode", "Conv", "stem", "75.0%"],
        ["encode", "Add", "sum", "25.0%"],
    ]


def test_memory_is_printed_of_its_own_pass():
    memory = {"before_mib": 40.0, "loaded_mib": 80.0, "peak_mib": 120.4, "workload": "frames"}
    assert table_of(report(result(memory=memory)), "Resident memory").rows == [["A", "40", "80", "120"]]


def test_a_run_without_samples_has_a_report():
    failed = replace(report(result(workloads={}, before=None, after=None)), error="host lost")
    assert "run  ended early: host lost" in printed(failed)
    assert "ended early: host lost" in to_html(failed)


def test_csv_has_a_row_for_each_stage_with_all_statistics():
    rows = list(csv.DictReader(io.StringIO(to_csv(report(result(), result("b, c.pte", reasons=["busy"]))))))
    assert {row["artefact"] for row in rows} == {"model_320x640_fp32.tflite", "b, c.pte"}
    frame = next(row for row in rows if (row["frames"], row["stage"]) == ("all", "frame"))
    samples = frames().stage("frame")
    assert float(frame["mean"]) == pytest.approx(samples.mean())
    assert float(frame["frames_a_second"]) == pytest.approx(1000 / samples.mean(), abs=1e-3)
    assert {row["valid"] for row in rows if row["artefact"] == "b, c.pte"} == {"False"}
    assert {row["frames"] for row in rows if row["workload"] == "frames"} == {"all", "keyframes", "others"}


@pytest.mark.parametrize(
    "plot",
    [
        distribution_plot(report()),
        stages_plot(report()),
        interval_plot(report()),
        time_plots(report(result(readings=READINGS)))[0][1],
    ],
    ids=["distribution", "stages", "interval", "time"],
)
def test_every_plot_is_well_formed(plot):
    root = ElementTree.fromstring(plot)
    assert root.tag.endswith("svg")
    numbers = re.findall(r' (?:x|y|cx|cy|x1|x2|y1|y2)="([^"]+)"', plot)
    assert all(-1 <= float(number) <= 2000 for number in numbers)


def test_the_time_plot_shows_the_hottest_zone_or_says_that_there_is_none():
    assert "hottest zone" in time_plots(report(result(readings=READINGS)))[0][1]
    assert "temperature not measured" in time_plots(report(result()))[0][1]


def ticks(plot: str) -> list[str]:
    """Positions and texts of the scales' labels."""
    return re.findall(r'<text x="[^"]+" y="[^"]+" class="(?:heat-)?tick"[^>]*>[^<]+', plot)


def test_plots_that_are_compared_have_one_scale():
    fast, slow = frames(count=60), frames(count=600, key_ms=4000.0, other_ms=2000.0)
    warm = [{**reading, "temperatures_c": {"cpu": 70.0}} for reading in READINGS]
    both = report(
        result("fast", workloads={"frames": fast}, readings=READINGS),
        result("slow", workloads={"frames": slow}, readings=warm),
    )
    (_, first), (_, second) = time_plots(both)
    assert ticks(first) == ticks(second) != []


@pytest.mark.parametrize(
    ("options", "interval"),
    [
        ({"keyframe_interval": 3}, "3"),
        ({}, "3"),
        ({"keyframe_interval": 3, "keyframe_policy": "fixed"}, "3"),
        ({"keyframe_interval": 3, "keyframe_policy": "drift"}, "7.5"),
    ],
)
def test_the_interval_plot_has_its_point_at_the_interval_that_was_run(options, interval):
    seen = frames(count=60, interval=8)  # what a policy made of one in three
    plot = interval_plot(report(result(workloads={"frames": seen}), driver_options=options))
    assert plot is not None
    assert f"ms at T = {interval}<" in plot


def test_equal_samples_have_a_narrow_peak():
    still = replace(entries(), milliseconds={"total": [5.0] * 60})
    assert "polygon" in distribution_plot(report(result(workloads={"entries": still})))


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
    assert "[red]" in printed(report(result("[red].pte")))


def test_the_page_hides_no_column():
    page = to_html(report())
    assert "overflow-x" not in page
    header = re.search(r"<h2>Entries, ms</h2>.*?</tr>", page, re.DOTALL)[0]
    assert [name in header for name in ("p90", "p95", "p99", "max")] == [True] * 4


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (12.3, 98.7), (0.001, 0.0042), (5.0, 5.0)])
def test_ticks_lie_within_the_scale(low, high):
    scale = Scale(low, high, 0, 100)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
