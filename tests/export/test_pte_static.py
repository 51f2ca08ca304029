"""What PT2E makes of layers that compute in 8 bits, before ExecuTorch lowers it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mobilevis.export.layers import LayerChoice
from mobilevis.export.precision import PRECISIONS, Conversion
from mobilevis.export.pte_static import DEQUANTISE, SMALLEST_STEP, computed_nodes, eight_bits, quantise
from mobilevis.export.rounding import STEPS, round_weight
from mobilevis.export.trace import trace_entries
from tests.conftest import TOY_SIZE


@pytest.fixture(scope="module")
def traced(toy_model):
    return trace_entries(toy_model, toy_model.streaming(TOY_SIZE).entries)


@pytest.fixture
def conversion(monkeypatch):
    """The toy's two convolutions compute in 8 bits, its linear layers do not."""
    monkeypatch.setitem(PRECISIONS["int8-static"].computed, "toy", ("stem.*",))
    return Conversion("int8-static", "toy")


def test_layers_and_what_is_between_them_compute_in_8_bits(traced, conversion):
    choice = LayerChoice(traced["look"], conversion)
    assert computed_nodes(traced["look"].program, choice) == {"conv2d", "relu", "conv2d_1"}


def test_an_entry_without_such_layers_stays_as_it_is(traced, conversion):
    choice = LayerChoice(traced["paint"], conversion)
    assert quantise(traced["paint"], (), choice) is traced["paint"].program


def test_each_reader_of_8_bits_dequantises_for_itself(traced, conversion):
    runs = [{"frame": torch.rand(1, 3, *TOY_SIZE).numpy() * 255}]
    program = quantise(traced["look"], runs, LayerChoice(traced["look"], conversion))
    readers = [list(node.users) for node in program.graph.nodes if node.target is DEQUANTISE]
    # the two convolutions, the pooling and the entry's output
    assert [len(found) for found in readers] == [1, 1, 1, 1]
    assert {found[0].op for found in readers} == {"call_function", "output"}


def test_rounded_weights_are_on_the_grid_that_is_stored():
    weight = nn.Linear(8, 2).weight.detach() * torch.tensor([[1.0], [0.01]])
    weight = round_weight(weight, torch.eye(8)[None])
    spec = eight_bits().weight
    observer = spec.observer_or_fake_quant_ctr(
        dtype=spec.dtype, qscheme=spec.qscheme, ch_axis=0, quant_min=spec.quant_min, quant_max=spec.quant_max
    )
    observer(weight)
    scale, _ = observer.calculate_qparams()
    assert scale.tolist() == pytest.approx((weight.abs().amax(1) / STEPS).tolist())
    assert scale.min() > SMALLEST_STEP
