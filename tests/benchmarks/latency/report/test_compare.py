from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mobilevis.benchmarks.latency.report.compare import compare_reports, compare_within
from mobilevis.benchmarks.latency.report.schema import ArtefactResult, Series
from mobilevis.runtime.errors import UserError
from tests.benchmarks.latency.samples import entries, frames, report, result, state

FAST = result(
    "fast.tflite", workloads={"entries": entries(encode_ms=9.0), "frames": frames(other_ms=10.0, key_ms=20.0)}
)


def rows(comparison):
    return {row.stage: row for row in comparison.rows}


def test_two_runs_of_one_artefact_each_are_compared_stage_by_stage():
    on_entries, on_frames = compare_reports(report(FAST), report())
    assert rows(on_entries)["total"].ratio.value == pytest.approx(11 / 20, rel=0.02)
    assert rows(on_frames)["amortised frame"].ratio.value == pytest.approx(0.5, rel=0.02)
    assert rows(on_frames)["keyframe"].ratio.is_distinct
    assert "decode" in rows(on_frames)


def test_frames_of_one_clip_are_paired_and_entries_of_two_runs_are_not():
    on_entries, on_frames = compare_reports(report(FAST), report())
    assert rows(on_entries)["total"].ratio.pairs == 0
    assert "unpaired" in on_entries.pairing
    assert rows(on_frames)["amortised frame"].ratio.pairs == 120
    assert "same frames" in on_frames.pairing


def test_an_interleaved_run_pairs_its_rounds():
    on_entries, on_frames = compare_within(report(FAST, result(), interleaved=True))
    assert on_entries.pairing == on_frames.pairing == "rounds of one interleaved run"
    assert rows(on_entries)["total"].ratio.pairs == 60


def with_stage(**stage: list[float]) -> ArtefactResult:
    series = frames()
    milliseconds = {**series.milliseconds, **stage}
    return result("clock.tflite", workloads={"frames": replace(series, milliseconds=milliseconds)})


@pytest.mark.parametrize("interleaved", [True, False])
def test_a_stage_that_a_coarse_clock_cannot_tell_has_no_ratio(interleaved):
    """The others have theirs: what was measured is not lost for it."""
    other = with_stage(policy=[0.0] * 120)
    if interleaved:
        (on_frames,) = compare_within(report(with_stage(policy=[0.1] * 120), other, interleaved=True))
    else:
        (on_frames,) = compare_reports(report(with_stage(policy=[0.1] * 120)), report(other))
    assert "policy" not in rows(on_frames)
    assert {"amortised frame", "keyframe", "encode"} <= rows(on_frames).keys()


def test_a_side_without_whole_frames_has_no_ratios():
    for stages in ({}, {"encode": [1.0] * 120}):
        other = result("cut.tflite", workloads={"frames": replace(frames(), milliseconds=stages)})
        assert compare_within(report(with_stage(), other, interleaved=True)) == []


def test_the_frames_of_a_clip_are_no_evidence_of_their_own():
    """Clips that differ by noise alone: frame by frame their ratio would seem surer than it is."""

    def clips(seed, together):
        frame = np.repeat(np.random.default_rng(seed).normal(20, 1, 40), 36)
        at_s = (np.arange(frame.size) // together).tolist()
        return replace(frames(frame.size, interval=1), at_s=at_s, milliseconds={"frame": frame.tolist()})

    def width(together):
        pair = [result(name, workloads={"frames": clips(seed, together)}) for seed, name in enumerate("ab")]
        (on_frames,) = compare_within(report(*pair, interleaved=True))
        ratio = rows(on_frames)["amortised frame"].ratio
        return ratio.high - ratio.low

    assert width(together=36) > 1.2 * width(together=1)


def test_artefacts_of_several_are_matched_by_name():
    comparisons = compare_reports(report(FAST, result()), report(result(), FAST))
    assert [(c.first, c.second) for c in comparisons[::2]] == [("fast.tflite",) * 2, (result().name,) * 2]
    assert all(rows(c)["total"].ratio.value == pytest.approx(1.0) for c in comparisons[::2])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (report(cpus=[4]), "CPUs 7 against 4"),
        (report(threads=2), "threads 1 against 2"),
        (report(source={"name": "b.mp4", "sha256": "3" * 64}), "clip"),
        (report(driver_options={"keyframe_interval": 6}), "driver options"),
        (report(result(workloads={"entries": entries()})), "measured entries, frames against entries"),
        (
            report(result(facts={"driver": "tar", "input_size": [320, 640]})),
            "task mobileinst 320x640 against tar",
        ),
        (report(result(is_baseline=True)), "against plain model"),
    ],
)
def test_unlike_measurements_are_refused_unless_told_otherwise(other, words):
    with pytest.raises(UserError, match=words):
        compare_reports(report(), other)
    (comparison, *_) = compare_reports(report(), other, allow_unlike=True)
    assert any(words in warning for warning in comparison.warnings)


def test_unlike_stages_are_refused():
    series = frames()
    shorter = replace(series, milliseconds={"frame": series.milliseconds["frame"]})
    with pytest.raises(UserError, match="stages of frames"):
        compare_reports(report(), report(result(workloads={"entries": entries(), "frames": shorter})))


def test_an_invalid_side_is_a_doubt():
    (comparison, *_) = compare_reports(report(result(reasons=["hot"])), report())
    assert comparison.doubts == ("model_320x640_fp32.tflite is not valid: hot",)


def plain(name: str, milliseconds: list[float]):
    """A plain model that took turns with our frames."""
    nothing = [None] * len(milliseconds)
    turns = Series([0.02 * i for i in range(len(milliseconds))], nothing, nothing, {"frame": milliseconds})
    return result(name, is_baseline=True, workloads={"frames": turns})


def test_a_streamed_frame_is_compared_with_a_plain_models_forward_pass_in_its_round():
    ours = frames(count=120)
    theirs = [value / 2 for value in ours.stage("frame")]
    both = report(result("a", workloads={"frames": ours}), plain("b", theirs), interleaved=True)
    (comparison,) = compare_within(both)
    ratios = {row.stage: row.ratio.value for row in comparison.rows}
    assert ratios == pytest.approx({"amortised frame": 2.0, "keyframe": 2.0, "other frame": 2.0})
    assert comparison.warnings == ()


def test_frames_that_are_answered_at_once_have_only_their_mean_compared():
    clips = replace(frames(count=120), at_s=[float(i // 8) for i in range(120)])
    both = report(result("a", workloads={"frames": clips}), plain("b", [10.0] * 15), interleaved=True)
    (comparison,) = compare_within(both)
    amortised = comparison.rows[0]
    assert amortised.ratio.value == pytest.approx(clips.stage("frame").mean() / 10)
    assert amortised.ratio.pairs == 0


def test_plain_models_are_not_compared_with_each_other_beside_ours():
    peers = [plain(name, [10.0] * 120) for name in "bc"]
    both = report(result("a", workloads={"frames": frames()}), *peers, interleaved=True)
    assert [(found.first, found.second) for found in compare_within(both)] == [("a", "b"), ("a", "c")]
    alone = compare_within(report(*peers, interleaved=True))
    assert [(found.first, found.second) for found in alone] == [("b", "c")]


def test_a_device_that_was_slower_in_one_of_two_runs_is_a_warning():
    (comparison, *_) = compare_reports(report(result(before=state(probe_ms=1.3))), report())
    assert comparison.warnings == (
        "a fixed piece of work took 1.30 times as long before the first run as before the second",
    )


def test_runs_without_a_common_name_and_more_than_one_artefact_are_refused():
    with pytest.raises(UserError, match="share no artefact name"):
        compare_reports(report(FAST, result("c.pte")), report())


def test_a_run_that_was_not_interleaved_has_no_pairs_of_its_own():
    with pytest.raises(UserError, match="no interleaved artefacts"):
        compare_within(report(FAST, result()))


def test_keyframes_of_another_interval_are_no_pairs():
    sparse = result(workloads={"entries": entries(), "frames": frames(interval=6)})
    comparison = compare_reports(
        report(sparse, driver_options={"keyframe_interval": 6}), report(), allow_unlike=True
    )[1]
    assert rows(comparison)["keyframe"].ratio.pairs == 0
