"""Deformable sampling by gathers against ``grid_sample``."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from mobilevis.models.blocks.deformable import DeformableAttention, cell_centres, sample_values

SIZES = ((4, 6), (2, 3), (1, 1))


def by_grid_sample(values: Tensor, sizes: tuple, locations: Tensor, weights: Tensor) -> Tensor:
    """The definition: each map sampled by PyTorch's own operator."""
    batch, _, heads, channels = values.shape
    queries = locations.shape[1]
    total = torch.zeros(batch * heads, channels, queries)
    start = 0
    for level, (height, width) in enumerate(sizes):
        cells = values[:, start : start + height * width].permute(0, 2, 3, 1)
        grid = locations[:, :, :, level].transpose(1, 2).flatten(0, 1) * 2 - 1
        sampled = F.grid_sample(
            cells.reshape(batch * heads, channels, height, width), grid, align_corners=False
        )
        total = total + (sampled * weights[:, :, :, level].transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
        start += height * width
    return total.view(batch, heads * channels, queries).transpose(1, 2)


def random_case(seed: int, spread: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    cells = sum(height * width for height, width in SIZES)
    values = torch.randn(2, cells, 3, 4, generator=generator)
    locations = (torch.rand(2, 5, 3, len(SIZES), 2, 2, generator=generator) - 0.5) * spread + 0.5
    weights = torch.rand(2, 5, 3, len(SIZES), 2, generator=generator)
    return values, locations, weights


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), spread=st.sampled_from([0.5, 1.0, 1.5, 5.0]))
def test_sampling_equals_grid_sample_inside_across_and_outside_the_border(seed: int, spread: float) -> None:
    case = random_case(seed, spread)
    values, locations, weights = case
    torch.testing.assert_close(
        sample_values(values, SIZES, locations, weights),
        by_grid_sample(values, SIZES, locations, weights),
        atol=1e-5,
        rtol=1e-5,
    )


@pytest.mark.parametrize("place", [0.0, 1.0, -1.0, 2.0, 0.5])
def test_sampling_equals_grid_sample_at_the_exact_borders(place: float) -> None:
    values, locations, weights = random_case(0)
    locations = torch.full_like(locations, place)
    torch.testing.assert_close(
        sample_values(values, SIZES, locations, weights), by_grid_sample(values, SIZES, locations, weights)
    )


def test_gradients_equal_those_of_grid_sample() -> None:
    tensors = [tensor.requires_grad_() for tensor in random_case(1, spread=1.2)]
    values, locations, weights = tensors
    ours = torch.autograd.grad(sample_values(values, SIZES, locations, weights).square().sum(), tensors)
    theirs = torch.autograd.grad(by_grid_sample(values, SIZES, locations, weights).square().sum(), tensors)
    for mine, expected in zip(ours, theirs):
        torch.testing.assert_close(mine, expected, atol=1e-4, rtol=1e-4)


def test_half_precision_does_not_move_the_samples() -> None:
    torch.manual_seed(0)
    size, dim = (90, 160), 8
    attention = DeformableAttention(dim, heads=2, levels=1, points=2)
    features, query = torch.randn(1, size[0] * size[1], dim), torch.randn(1, 30, dim)
    centres = torch.rand(1, 30, 2)
    expected = attention(query, centres, features, [size])
    with torch.autocast("cpu", torch.bfloat16):
        found = attention(query, centres, features, [size])
    assert (found.float() - expected).abs().max() < 0.1 * expected.abs().max()


def test_attention_starts_as_the_mean_of_a_ring_of_samples() -> None:
    attention = DeformableAttention(8, heads=4, levels=1, points=2)
    locations, weights = attention.sampling(
        torch.randn(1, 1, 8), torch.tensor([[[0.5, 0.5]]]), sizes=((10, 10),)
    )
    assert torch.allclose(weights, torch.full_like(weights, 1 / 2))
    steps = ((locations - 0.5) * 10)[0, 0, :, 0]
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    torch.testing.assert_close(steps, torch.stack([expected, 2 * expected], dim=1), atol=1e-5, rtol=0)


def test_boxes_scale_the_offsets_by_half_their_sides() -> None:
    attention = DeformableAttention(8, heads=4, levels=1, points=2)
    box = torch.tensor([[[0.5, 0.5, 0.4, 0.2]]])
    locations, _ = attention.sampling(torch.randn(1, 1, 8), box, sizes=((10, 10),))
    # The outermost of two points lies on the edge of the box.
    torch.testing.assert_close(locations[0, 0, 0, 0, 1], torch.tensor([0.7, 0.5]))
    torch.testing.assert_close(locations[0, 0, 1, 0, 1], torch.tensor([0.5, 0.6]))


def test_cell_centres_lie_half_a_cell_inside() -> None:
    centres = cell_centres(((1, 2), (1, 1)), torch.zeros(1))
    torch.testing.assert_close(centres, torch.tensor([[[0.25, 0.5], [0.75, 0.5], [0.5, 0.5]]]))
