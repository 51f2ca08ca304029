from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest

from mobilevis.benchmarks.latency.report.schema import Series, load_report, parse_report
from mobilevis.runtime.errors import UserError
from tests.benchmarks.latency.samples import frames, report, result, state


def test_a_report_survives_its_json(tmp_path: Path):
    original = report(result(), result("other.pte", reasons=["frames: busy machine"]))
    (tmp_path / "run.json").write_text(original.to_json())
    again = load_report(tmp_path / "run.json")
    assert again.to_json() == original.to_json()
    assert not again.valid
    assert again.artefacts[0].valid


def test_the_json_holds_all_samples_and_the_derived_figures():
    raw = json.loads(report().to_json())
    (artefact,) = raw["artefacts"]
    assert raw["schema"] == "mobilevis.latency/1"
    assert raw["valid"] is True
    assert len(artefact["workloads"]["frames"]["milliseconds"]["frame"]) == 120
    assert artefact["summary"]["frames"]["keyframes"]["frame"]["p50"] == pytest.approx(40, rel=0.05)
    assert artefact["summary"]["frames"]["others"]["frame"]["p50"] == pytest.approx(20, rel=0.05)
    assert artefact["summary"]["entries"]["all"]["total"]["count"] == 60


def test_derived_figures_are_computed_again_not_believed():
    raw = json.loads(report(result(reasons=["hot"])).to_json())
    raw["valid"] = raw["artefacts"][0]["valid"] = True
    assert not parse_report(raw).valid


def test_an_interrupted_run_is_not_valid():
    raw = json.loads(report().to_json())
    assert not parse_report({**raw, "error": "host lost"}).valid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "mobilevis.latency/9"}',
        '{"schema": "mobilevis.latency/1", "artefacts": [{}], "setup": {}}',
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(UserError, match="not a latency report"):
        load_report(path)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="cannot read"):
        load_report(tmp_path / "absent.json")


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 10**400, "fast"])
def test_a_sample_that_is_no_duration_is_refused(tmp_path, value):
    raw = json.loads(report().to_json())
    raw["artefacts"][0]["workloads"]["frames"]["milliseconds"]["frame"][3] = value
    (tmp_path / "run.json").write_text(json.dumps(raw))
    with pytest.raises(UserError, match="not a latency report"):
        load_report(tmp_path / "run.json")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("artefacts", 0, "name"), {}),
        (("artefacts", 0, "reasons"), 1.0),
        (("artefacts", 0, "facts"), "text"),
        (("artefacts", 0, "workloads", "frames", "settled"), 1),
        (("artefacts", 0, "before", "probe_ms"), 0),
        (("setup", "cpus"), ["0"]),
        (("setup", "source"), {"name": 1}),
        (("device",), []),
        (("error",), 2),
    ],
)
def test_a_fact_of_another_kind_is_refused(tmp_path, where, value):
    raw = json.loads(report().to_json())
    raw["artefacts"][0]["before"] = state()
    *outer, last = where
    reduce(getitem, outer, raw)[last] = value
    (tmp_path / "run.json").write_text(json.dumps(raw))
    with pytest.raises(UserError, match=f"not a latency report: {last}"):
        load_report(tmp_path / "run.json")


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        Series(at_s=[0.0], is_keyframe=[True], instances=[1], milliseconds={"frame": [1.0, 2.0]})


def test_frames_that_were_answered_at_once_are_one_run():
    series = replace(frames(count=12), at_s=[0.5 * (i // 4) for i in range(12)])
    assert series.runs("frame") == 3
    assert series.runs("frame", keyframes=True) == 3
    assert series.runs("decode") == 3
    assert series.runs("absent") == 0
    summary = series.summary("frame")
    assert summary is not None
    assert (summary.count, summary.runs) == (12, 3)
