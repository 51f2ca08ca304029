"""Building blocks: each against PyTorch's own operator, or its formula."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import (
    DropPath,
    InvertedResidual,
    LayerNorm,
    MultiHeadAttention,
    SemanticInjection,
    start_at_prior,
)
from mobilevis.models.blocks.positions import coordinates, sine_positions
from mobilevis.models.blocks.resampling import interpolate_linear, pool_bins


def test_layer_norm_is_pytorchs():
    torch.manual_seed(0)
    ours, theirs = LayerNorm(32), nn.LayerNorm(32)
    for norm in (ours, theirs):
        with torch.no_grad():
            norm.weight.copy_(torch.linspace(-2, 2, 32))
            norm.bias.copy_(torch.linspace(1, -1, 32))
    x = 5.0 * torch.randn(2, 7, 32) + 3.0
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_layer_norm_loads_pytorchs_state():
    LayerNorm(8).load_state_dict(nn.LayerNorm(8).state_dict())


def test_multi_head_attention_is_pytorchs():
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(32, heads=4), nn.MultiheadAttention(32, 4, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        for part in (*parts, ours.out):
            part.bias.normal_()
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    query, key, value = torch.randn(2, 5, 32), torch.randn(2, 9, 32), torch.randn(2, 9, 32)
    torch.testing.assert_close(ours(query, key, value), theirs(query, key, value)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [nn.Linear(8, 3), nn.Conv2d(8, 3, 1)])
def test_a_sigmoid_layer_gives_one_hundredth_when_training_starts(layer):
    start_at_prior(layer)
    torch.testing.assert_close(layer.bias.sigmoid(), torch.full((3,), 0.01))


@given(st.integers(1, 24), st.integers(1, 24), st.integers(1, 8))
def test_pooling_to_bins_is_adaptive_average_pooling_at_any_size(height, width, bins):
    x = torch.randn(1, 2, height, width)
    torch.testing.assert_close(pool_bins(x, bins), F.adaptive_avg_pool2d(x, bins), rtol=1e-4, atol=1e-5)


@given(st.integers(1, 32), st.integers(1, 64))
def test_linear_interpolation_is_pytorchs_at_any_length(source, target):
    x = torch.randn(1, 3, source)
    expected = F.interpolate(x, target, mode="linear", align_corners=False)
    torch.testing.assert_close(interpolate_linear(x, target), expected, rtol=1e-4, atol=1e-5)


def test_coordinates_run_from_minus_one_to_one_columns_first():
    columns, rows = coordinates(torch.empty(1, 4, 3, 5))[0]
    assert columns[0].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert rows[:, 0].tolist() == [-1.0, 0.0, 1.0]
    assert torch.equal(columns, columns[:1].expand(3, 5))


def test_sine_positions_hold_the_row_first_and_the_column_second():
    """Mask2Former's: normalised to 2π at the last row and column, sine and cosine interleaved."""
    table = sine_positions(4, 2, 16, like=torch.empty(1)).view(4, 2, 16)
    quarter_turn = 2 * math.pi / 4
    assert table[0, 0, 0].item() == pytest.approx(math.sin(quarter_turn))
    assert table[0, 0, 1].item() == pytest.approx(math.cos(quarter_turn), abs=1e-6)
    assert table[0, 0, 2].item() == pytest.approx(math.sin(quarter_turn / 10000 ** (2 / 8)))
    assert table[0, 0, 8].item() == pytest.approx(math.sin(math.pi), abs=1e-6)
    assert torch.equal(table[:, 0, :8], table[:, 1, :8])
    assert torch.equal(table[0, :, 8:], table[3, :, 8:])


def test_sine_positions_can_count_cells_at_their_centres():
    """Deformable DETR's: half a cell before its end, where Mask2Former counts it."""
    ends, centres = (sine_positions(4, 2, 16, torch.empty(1), place).view(4, 2, 16) for place in (1.0, 0.5))
    assert centres[0, 0, 0].item() == pytest.approx(math.sin(2 * math.pi / 8))
    twice_as_fine = sine_positions(8, 4, 16, like=torch.empty(1)).view(8, 4, 16)
    torch.testing.assert_close(centres, twice_as_fine[::2, ::2])
    torch.testing.assert_close(ends, twice_as_fine[1::2, 1::2])


def test_semantic_injection_gates_the_local_features_and_adds_the_global():
    injection = SemanticInjection(4, 6, 8).eval()
    local, context = torch.randn(1, 4, 8, 8), torch.randn(1, 6, 4, 4)
    gate = F.interpolate(F.hardsigmoid(injection.gate(context)), scale_factor=2, mode="bilinear")
    added = F.interpolate(injection.feature(context), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(injection(local, context), injection.local(local) * gate + added)


@pytest.mark.parametrize(
    ("out_channels", "stride", "residual"), [(8, 1, True), (16, 1, False), (8, 2, False)]
)
def test_an_inverted_residual_adds_its_input_where_the_shapes_agree(out_channels, stride, residual):
    block = InvertedResidual(8, out_channels, kernel_size=5, stride=stride, expansion=3).eval()
    x = torch.randn(1, 8, 8, 8)
    branch = block.project(block.depthwise(block.expand(x)))
    torch.testing.assert_close(block(x), x + branch if residual else branch)
    assert branch.shape == (1, out_channels, 8 // stride, 8 // stride)


def test_drop_path_drops_whole_samples_in_training_only():
    torch.manual_seed(0)
    drop, x = DropPath(0.5), torch.ones(64, 2, 3, 3)
    kept = drop(x).flatten(1)
    assert set(kept[:, 0].tolist()) == {0.0, 2.0}
    assert torch.equal(kept, kept[:, :1].expand_as(kept))
    assert torch.equal(drop.eval()(x), x)
