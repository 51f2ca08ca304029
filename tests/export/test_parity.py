"""The parity gate: what it must let through, and what it must not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mobilevis.export.describe import describe
from mobilevis.export.eager import EagerArtefact
from mobilevis.export.parity import (
    OutputParity,
    ParityReport,
    choose_threshold,
    compare,
    make_reference,
    same_instances,
)
from mobilevis.export.task_parity import TaskParity
from mobilevis.export.tolerances import TOLERANCES
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.results import FrameResult, Instance
from mobilevis.runtime.segmenter import VideoSegmenter
from tests.conftest import TOY_SIZE

FP32 = TOLERANCES["fp32"]


def unexported(toy_model):
    return EagerArtefact(toy_model, *describe(toy_model, TOY_SIZE))


@pytest.fixture
def eager(toy_model, toy_driver):
    return unexported(toy_model)


@pytest.fixture
def perturbed(toy_model, toy_driver, monkeypatch):
    """The toy, as an engine would run it, with a function applied to the outputs of every run."""

    def make(change):
        artefact = unexported(toy_model)
        run = artefact._run
        monkeypatch.setattr(artefact, "_run", lambda entry, inputs: change(entry, run(entry, inputs)))
        return artefact

    return make


def scored(*scores: float) -> FrameResult:
    mask = np.ones((1, 1), dtype=np.bool_)
    return FrameResult(
        0, (1, 1), tuple(Instance(i, 0, s, (0, 0, 1, 1), mask, (1, 1)) for i, s in enumerate(scores, 1)), True
    )


def test_every_run_of_every_entry_is_recorded_with_its_frame(eager, toy_frames):
    reference = make_reference(eager, toy_frames)
    assert [(call.frame, call.entry) for call in reference.calls] == [
        (frame, entry) for frame in range(10) for entry in ("look", "paint")
    ]
    assert any(result.instances for result in reference.results)


def test_eager_agrees_with_itself_exactly(eager, toy_frames):
    report = compare(make_reference(eager, toy_frames), eager)
    assert report.failures(FP32) == []
    assert {(o.entry, o.output, o.max_abs) for o in report.outputs} >= {("paint", "scores", 0.0)}
    assert report.mask_iou == 1.0


def test_no_entry_computes_the_same_inputs_twice(eager, toy_frames, monkeypatch):
    run, given = eager._run, []
    monkeypatch.setattr(
        eager,
        "_run",
        lambda entry, inputs: (
            given.append(inputs["frame"].tobytes()) or run(entry, inputs)
            if entry == "look"
            else run(entry, inputs)
        ),
    )
    reference = make_reference(eager, toy_frames)
    assert len(given) == len(set(given)) == 10
    compare(reference, eager)
    assert len(given) == 20


def test_fewer_than_ten_frames_are_refused(eager, toy_frames):
    with pytest.raises(UserError, match="gate has 9 frames, it needs 10"):
        make_reference(eager, toy_frames[:9])


@pytest.mark.parametrize(("delay", "frames"), [(0, 12), (3, 12), (19, 21)])
def test_the_frames_cross_the_border_of_a_long_clip(eager, toy_frames, monkeypatch, delay, frames):
    monkeypatch.setattr(VideoSegmenter, "delay", delay)
    assert len(make_reference(eager, [*toy_frames] * 4).frames) == frames


def test_a_model_with_empty_masks_is_compared_at_a_lower_mask_threshold(eager, toy_frames, perturbed):
    def darken(entry, outputs):
        return {**outputs, "masks": outputs["masks"] - 10} if entry == "paint" else outputs

    dark = perturbed(darken)
    reference = make_reference(dark, toy_frames)
    assert any(result.instances for result in reference.results)
    report = compare(reference, dark)
    assert report.failures(FP32) == []
    assert report.mask_threshold == reference.options["mask_threshold"] < 1e-5
    assert make_reference(eager, toy_frames).options.keys() == {"score_threshold"}


def test_a_drifting_output_fails_and_names_its_worst_frame(eager, toy_frames, perturbed):
    frames = iter(range(100))

    def drift(entry, outputs):
        return (
            {**outputs, "features": outputs["features"] + 2e-4 * next(frames)} if entry == "look" else outputs
        )

    reference = make_reference(eager, toy_frames)
    failures = compare(reference, perturbed(drift)).failures(FP32)
    assert any("look.features differs by" in failure and "in frame 9" in failure for failure in failures)


def test_a_lost_instance_fails(eager, toy_frames, perturbed):
    def drop(entry, outputs):
        return {**outputs, "scores": outputs["scores"] * np.float32(0.5)} if entry == "paint" else outputs

    failures = compare(make_reference(eager, toy_frames), perturbed(drop)).failures(FP32)
    assert any("kept instances differ in frames 0, 1" in failure for failure in failures)


def test_a_changed_class_fails(eager, toy_frames, perturbed):
    def swap(entry, outputs):
        return {**outputs, "scores": outputs["scores"][..., ::-1].copy()} if entry == "paint" else outputs

    failures = compare(make_reference(eager, toy_frames), perturbed(swap)).failures(FP32)
    assert any("kept instances differ" in failure for failure in failures)


def test_a_shifted_mask_fails(eager, toy_frames, perturbed):
    def shift(entry, outputs):
        return {**outputs, "masks": np.roll(outputs["masks"], 1, axis=3)} if entry == "paint" else outputs

    report = compare(make_reference(eager, toy_frames), perturbed(shift))
    assert report.mask_iou < FP32.mask_iou
    assert any("mask IoU" in failure for failure in report.failures(FP32))


def test_the_threshold_lies_in_the_widest_gap_near_the_wished_count():
    clustered = [0.9] * 4 + [0.5001, 0.5, 0.3, 0.299] + [0.1] * 4
    assert choose_threshold([scored(*clustered)]) == pytest.approx((0.5001 + 0.9) / 2)


def test_one_instance_is_kept_and_none_is_an_error():
    assert choose_threshold([scored(0.4)]) < 0.4
    with pytest.raises(UserError, match="no instance"):
        choose_threshold([scored()])


@pytest.mark.parametrize(("scale", "passes"), [(1.0, False), (1.9, False), (2.1, True)])
def test_a_difference_is_judged_against_the_scale_of_its_output(scale, passes):
    output = OutputParity("look", "features", 2e-4, scale, 1e-6, 0)
    report = ParityReport("toy", 10, 0.5, None, (output,), 1, (), 1.0, 0, TaskParity(1.0, 1.0, 1.0))
    assert (report.failures(FP32) == []) is passes


@pytest.mark.parametrize(("relative_l2", "passes"), [(9e-5, True), (1.1e-4, False), (float("inf"), False)])
def test_a_small_output_is_judged_as_a_whole_against_its_own_norm(relative_l2, passes):
    output = OutputParity("look", "features", 1e-6, 1.0, relative_l2, 0)
    report = ParityReport("toy", 10, 0.5, None, (output,), 1, (), 1.0, 0, TaskParity(1.0, 1.0, 1.0))
    assert (report.failures(FP32) == []) is passes


def test_small_features_that_are_a_hundredth_off_fail(perturbed, toy_frames):
    def shrink(factor):
        return lambda entry, outputs: (
            {**outputs, "summary": outputs["summary"] * np.float32(factor)} if entry == "look" else outputs
        )

    reference = make_reference(perturbed(shrink(1e-3)), toy_frames)
    (failure,) = compare(reference, perturbed(shrink(1.01e-3))).failures(FP32)
    assert re.match(r"look\.summary differs by .* \(relative L2 1\.0e-02\)", failure)


def test_the_scale_of_small_outputs_is_one(eager, toy_frames):
    reference = make_reference(eager, toy_frames)
    scales = {output.output: output.scale for output in compare(reference, eager).outputs}
    assert scales["scores"] == 1.0


def kept(**scores: float) -> dict[tuple[int, int], Instance]:
    """Instances by name: ``t2c1=0.5`` is track 2 of class 1."""
    names = {tuple(int(n) for n in name[1:].split("c")): score for name, score in scores.items()}
    mask = np.ones((1, 1), dtype=np.bool_)
    return {key: Instance(*key, score, (0, 0, 1, 1), mask, (1, 1)) for key, score in names.items()}


FULL = kept(t1c0=0.9, t2c0=0.5)


@pytest.mark.parametrize(
    ("other", "agrees"),
    [
        (kept(t1c0=0.9, t2c0=0.4), True),
        (kept(t1c0=0.9, t3c0=0.5 + 3e-8), True),
        (kept(t1c0=0.9, t3c0=0.5 + 1e-5), False),
        (kept(t1c0=0.9, t2c1=0.5), False),
        (kept(t2c0=0.5, t3c0=0.9), False),
        (kept(t1c0=0.9), False),
    ],
    ids=["other scores", "tie for the last place", "no tie", "class", "not the last place", "lost"],
)
def test_only_a_tie_for_the_last_place_excuses_another_instance(other, agrees):
    assert same_instances(FULL, other, most=2) is same_instances(other, FULL, most=2) is agrees


def test_without_a_full_frame_there_is_no_last_place():
    assert not same_instances(FULL, kept(t1c0=0.9, t3c0=0.5), most=3)
    assert not same_instances(FULL, kept(t1c0=0.9, t3c0=0.5), most=None)
