"""The network's own rounding: what it excuses at the gate, and what it does not."""

from __future__ import annotations

import copy
from dataclasses import asdict

import pytest
import torch
from torch import Tensor

from mobilevis.export.describe import describe
from mobilevis.export.eager import EagerArtefact
from mobilevis.export.own_rounding import FACTOR, MOST, allow_own_rounding
from mobilevis.export.parity import compare, make_reference
from mobilevis.export.tolerances import TOLERANCES
from tests.conftest import TOY_SIZE, ToyModel

FP32 = TOLERANCES["fp32"]
TABLE = FP32.max_abs
FAR = 1e9
STEP = 2 * TABLE  # 4e-4 of the scores' norm


class Threshold(ToyModel):
    """The toy, whose scores rise by a step where a corner of the features exceeds a threshold."""

    threshold, step = FAR, STEP

    def paint(self, queries: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        masks, scores, queries = super().paint(queries, features)
        return masks, scores + self.step * (features[0, :, 0, 0].sum() > self.threshold), queries


class OnlyFloat32(Threshold):
    """It multiplies by a constant that stays in float32."""

    def paint(self, queries: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        masks, scores, queries = super().paint(queries, features)
        return masks, scores @ torch.eye(3), queries


def artefact_of(model):
    return EagerArtefact(model, *describe(model, TOY_SIZE))


@pytest.fixture
def gate(toy_driver, toy_frames):
    """Put a network with a threshold at one frame's sum through the gate, against a changed copy."""

    def run(change, kind=Threshold, flips=True, step=STEP):
        torch.manual_seed(0)
        model = kind().eval()
        model.step = step
        frames = (torch.from_numpy(frame.transpose(2, 0, 1)[None].copy()).float() for frame in toy_frames)
        with torch.inference_mode():
            at = max(float(model.look(frame)[0][0, :, 0, 0].sum()) for frame in frames)
        model.threshold = at if flips else FAR
        engine = copy.deepcopy(model)
        engine.threshold = at - 1e-6  # as if its sum were rounded up
        change(engine)
        eager = artefact_of(model)
        reference = make_reference(eager, toy_frames)
        return allow_own_rounding(compare(reference, artefact_of(engine)), FP32, eager, reference)

    return run


def scale_weight(factor):
    def change(engine):
        engine.classify.weight.data *= factor

    return change


def unchanged(engine):
    pass


def scores_of(report):
    return next(output for output in report.outputs if output.output == "scores")


def test_a_threshold_that_rounding_flips_passes_and_says_with_which_figures(gate):
    report = gate(unchanged)
    assert report.failures(FP32) == []
    found = scores_of(report)
    assert TABLE < found.error <= found.limit
    assert found.own_rounding == pytest.approx(found.error, rel=0.1)
    assert found.limit == pytest.approx(min(FACTOR * found.own_rounding, MOST * TABLE))
    recorded = asdict(report)["outputs"]
    assert [o["output"] for o in recorded if o["own_rounding"] is not None] == ["scores"]


def test_a_flip_that_rounding_does_not_explain_fails(gate):
    (failure,) = gate(unchanged, flips=False).failures(FP32)
    assert "paint.scores differs by 2.0e-04" in failure
    assert "(1.0e-04, with its own rounding of " in failure


def test_a_wrong_weight_fails_however_the_network_rounds(gate):
    small = gate(scale_weight(1.005))
    found = scores_of(small)
    assert TABLE < found.middle < found.error < MOST * TABLE  # on every frame, where flips are on one
    assert any("paint.scores differs" in failure for failure in small.failures(FP32))
    assert gate(scale_weight(1.05)).failures(FP32) != []


def test_no_rounding_excuses_more_than_the_cap(gate):
    report = gate(unchanged, step=MOST * TABLE)
    assert scores_of(report).limit is None
    assert any("paint.scores differs" in failure for failure in report.failures(FP32))


def test_a_network_that_does_not_run_in_float64_keeps_the_limit_of_the_table(gate):
    (failure,) = gate(unchanged, kind=OnlyFloat32).failures(FP32)
    assert failure.endswith("(1.0e-04)")


def test_nothing_is_measured_where_the_table_is_kept(toy_model, toy_driver, toy_frames, monkeypatch):
    eager = artefact_of(toy_model)
    reference = make_reference(eager, toy_frames)
    report = compare(reference, eager)
    monkeypatch.setattr(eager, "in_float64", None)
    assert allow_own_rounding(report, FP32, eager, reference) is report
    assert allow_own_rounding(report, TOLERANCES["int8"], eager, reference) is report
