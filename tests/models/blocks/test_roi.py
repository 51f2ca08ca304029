"""RoIAlign by matrix products equals bilinear samples taken one by one."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevis.models.blocks.roi import level_choice, pyramid_roi_align, roi_align

H, W, C = 5, 7, 2


def sampled_roi_align(features: torch.Tensor, box: list[float], bins: int) -> torch.Tensor:
    """RoIAlign as torchvision defines it (aligned, 2 × 2 samples a bin): one bilinear look-up after another.

    A sample more than a cell outside is 0 there; here it fades from the border's value over another cell.

    Args:
        features: (H, W, C).
        box: x0, y0, x1, y1 in cells.
        bins: of the crop.
    """
    height, width, _ = features.shape

    def faded(point: float, cells: int) -> float:
        outside = max(-point, point - (cells - 1), 0.0)
        return min(max(2.0 - outside, 0.0), 1.0)

    def at(y: float, x: float) -> torch.Tensor:
        kept = faded(y, height) * faded(x, width)
        y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        dy, dx = y - top, x - left
        upper = (1 - dx) * features[top, left] + dx * features[top, right]
        lower = (1 - dx) * features[bottom, left] + dx * features[bottom, right]
        return kept * ((1 - dy) * upper + dy * lower)

    x0, y0, x1, y1 = box
    dy, dx = (y1 - y0) / bins, (x1 - x0) / bins
    rows = []
    for row in range(bins):
        for column in range(bins):
            samples = [
                at(y0 - 0.5 + dy * (row + i), x0 - 0.5 + dx * (column + j))
                for i in (0.25, 0.75)
                for j in (0.25, 0.75)
            ]
            rows.append(torch.stack(samples).mean(0))
    return torch.stack(rows)


def fraction(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high)


@settings(max_examples=50, deadline=None)
@given(fraction(-0.5, 1.2), fraction(-0.5, 1.2), fraction(0.01, 1.5), fraction(0.01, 1.5), st.integers(1, 4))
def test_a_crop_is_the_mean_of_bilinear_samples(x, y, width, height, bins):
    features = torch.arange(H * W * C, dtype=torch.float64).view(1, H, W, C).sin()
    box = [x, y, x + width, y + height]
    expected = sampled_roi_align(features[0], [x * W, y * H, (x + width) * W, (y + height) * H], bins)
    crop = roi_align(features, torch.tensor([[box]], dtype=torch.float64), bins)
    torch.testing.assert_close(crop[0, 0], expected, rtol=0, atol=1e-9)


def test_crops_equal_torchvisions_where_samples_lie_up_to_a_cell_outside():
    ops = pytest.importorskip("torchvision.ops")
    torch.manual_seed(0)
    size = torch.tensor([W, H, W, H])
    features, corners = torch.randn(2, H, W, C), 0.5 * torch.rand(2, 3, 4)
    boxes = corners + torch.tensor([0.0, 0.0, 0.5, 0.5])
    boxes[:, 0] = torch.tensor([-0.5, -0.5, W + 0.5, H + 0.5]) / size  # half a cell beyond every edge
    scaled = list(boxes * size)
    expected = ops.roi_align(features.permute(0, 3, 1, 2), scaled, 3, sampling_ratio=2, aligned=True)
    crops = roi_align(features, boxes, 3)
    torch.testing.assert_close(crops.view(6, 9, C), expected.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("outside", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("before", [True, False])
def test_a_box_moved_by_rounding_keeps_its_crop_wherever_its_samples_lie(axis, outside, before):
    cells = torch.tensor([W, H], dtype=torch.float64)
    start = torch.ones(2, dtype=torch.float64)
    # Of a bin 4 cells wide, the samples lie 0.5 and 2.5 cells from its start, counted in centres of cells.
    start[axis] = -outside - 0.5 if before else cells[axis] - 1 + outside - 2.5
    features, rounding = torch.ones(1, H, W, C, dtype=torch.float64), 1e-6
    boxes = [torch.cat([start + shift, start + shift + 4]).view(1, 1, 4) for shift in (-rounding, rounding)]
    crops = [roi_align(features, box / torch.cat([cells, cells]), 1) for box in boxes]
    torch.testing.assert_close(*crops, rtol=0, atol=4 * rounding)


def test_the_whole_image_at_its_own_size_is_itself():
    features = torch.randn(1, 4, 4, C)
    crop = roi_align(features, torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]), 4)
    # Two samples a bin lie a quarter of a cell beside its centre: each cell keeps 3/4 of itself an axis.
    assert crop.shape == (1, 1, 16, C)
    torch.testing.assert_close(crop.mean(2), features.mean((1, 2))[:, None], atol=1e-5, rtol=0)


def test_every_box_of_every_frame_has_its_own_crop():
    features = torch.randn(2, H, W, C)
    boxes = torch.tensor(
        [[[0.1, 0.2, 0.5, 0.9], [0.3, 0.0, 0.8, 0.4]], [[0.0, 0.0, 1.0, 1.0], [0.2] * 2 + [0.7] * 2]]
    )
    crops = roi_align(features, boxes, 3)
    for frame in range(2):
        for box in range(2):
            alone = roi_align(features[frame : frame + 1], boxes[frame : frame + 1, box : box + 1], 3)
            torch.testing.assert_close(crops[frame, box], alone[0, 0])


@pytest.mark.parametrize("side", [10, 111, 112, 223, 224, 447, 448, 2000])
def test_a_box_is_cropped_from_the_level_of_its_size(side):
    box = torch.tensor([[[0.0, 0.0, side / 1024, side / 1024]]], dtype=torch.float64)
    level = min(max(math.floor(math.log2(side / 56)), 0), 3)
    expected = torch.nn.functional.one_hot(torch.tensor(level), 4).double()
    assert torch.equal(level_choice(box, (1024, 1024), 4, 56.0)[:, 0, 0], expected)


def test_a_small_box_sees_the_fine_level_and_a_large_one_the_coarse_level():
    levels = [torch.full((1, 16, 16, 1), 1.0), torch.full((1, 8, 8, 1), 2.0)]
    boxes = torch.tensor([[[0.4, 0.4, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]]])
    crops = pyramid_roi_align(levels, boxes, 2, finest_scale=16.0)
    torch.testing.assert_close(crops[0, :, 0, 0], torch.tensor([1.0, 2.0]))
