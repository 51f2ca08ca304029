"""Weights rounded to 8 bits for what their layers read."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mobilevis.export.calibration import CALIBRATION_FRAMES, record_inputs
from mobilevis.export.describe import describe
from mobilevis.export.eager import EagerArtefact
from mobilevis.export.recorder import FramesInMemory
from mobilevis.export.rounding import STEPS, read_columns, round_weight
from mobilevis.runtime.errors import UserError
from tests.conftest import TOY_SIZE


def to_nearest(weight):
    step = weight.flatten(1).abs().amax(1).reshape(-1, *[1] * (weight.dim() - 1)) / STEPS
    return torch.round(weight / step) * step


@pytest.fixture
def layer_and_input():
    torch.manual_seed(0)
    return nn.Conv2d(8, 6, 3, padding=1, bias=False), torch.rand(1, 8, 12, 12)  # not centred


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(8, 6, 3, 2, 1), nn.Conv2d(8, 16, 3, padding=1, groups=8), nn.Conv2d(8, 4, 1, groups=2)],
    ids=["dense", "depthwise", "groups"],
)
def test_a_convolution_is_a_product_with_the_columns_that_it_reads(layer):
    x = torch.randn(1, 8, 12, 12)
    columns = read_columns(layer, x)
    rows = layer.weight.reshape(layer.groups, -1, columns.shape[1])
    expected = layer(x) - layer.bias[:, None, None]
    torch.testing.assert_close(torch.bmm(rows, columns).reshape(expected.shape), expected)


def test_a_linear_layer_is_a_product_with_the_columns_that_it_reads():
    layer, x = nn.Linear(8, 4, bias=False), torch.randn(2, 5, 8)
    torch.testing.assert_close((layer.weight @ read_columns(layer, x)[0]).T.reshape(2, 5, 4), layer(x))


def test_rounded_weights_lie_on_the_grid_of_their_output_channel_and_keep_its_largest(layer_and_input):
    layer, x = layer_and_input
    columns = read_columns(layer, x)
    weight = layer.weight.detach()
    rounded = round_weight(weight, columns @ columns.transpose(1, 2))
    torch.testing.assert_close(rounded, to_nearest(rounded))
    assert torch.equal(rounded.flatten(1).abs().amax(1), weight.flatten(1).abs().amax(1))


def test_rounding_for_what_a_layer_reads_changes_its_output_less_than_to_the_nearest_step(layer_and_input):
    layer, x = layer_and_input
    columns = read_columns(layer, x)
    weight, exact = layer.weight.detach(), layer(x).detach()

    def error(rounded):
        layer.weight.data = rounded
        return float((layer(x).detach() - exact).norm())

    assert error(round_weight(weight, columns @ columns.transpose(1, 2))) < 0.5 * error(to_nearest(weight))


def test_a_channel_of_zeros_and_an_input_that_never_comes_stay_finite():
    weight = torch.tensor([[0.0, 0.0], [1.0, 0.3]])
    rounded = round_weight(weight, torch.tensor([[[0.0, 0.0], [0.0, 4.0]]]))
    torch.testing.assert_close(rounded, to_nearest(weight).nan_to_num())


@pytest.fixture
def eager(toy_model, toy_driver):
    return EagerArtefact(toy_model, *describe(toy_model, TOY_SIZE))


def test_every_entry_sees_the_calibration_frames(eager, toy_frames):
    inputs = record_inputs(eager, FramesInMemory("frames", toy_frames), {})
    assert {entry: len(runs) for entry, runs in inputs.items()} == {"look": 10, "paint": 10}
    assert inputs["look"][0]["frame"].max() > 200


def test_frames_are_spread_over_a_long_source(eager, toy_frames):
    many = [frame for frame in toy_frames for _ in range(2 * CALIBRATION_FRAMES // 10 + 1)]
    runs = record_inputs(eager, FramesInMemory("frames", many), {})["look"]
    assert CALIBRATION_FRAMES / 2 < len(runs) <= CALIBRATION_FRAMES
    assert len({run["frame"].tobytes() for run in runs}) == 10


def test_a_source_without_frames_is_refused(eager):
    with pytest.raises(UserError, match="no frames to calibrate with"):
        record_inputs(eager, FramesInMemory("frames", []), {})
