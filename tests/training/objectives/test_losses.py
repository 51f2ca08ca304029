from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevis.training.objectives import losses


def random_masks(seed: int, rows: int = 3, pixels: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, pixels, generator=generator)
    return logits, (torch.rand(rows, pixels, generator=generator) > 0.6).float()


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000))
def test_focal_loss_is_the_published_formula(seed: int) -> None:
    logits, targets = random_masks(seed)
    p = logits.sigmoid()
    positive = -0.25 * (1 - p) ** 2 * p.log() * targets
    negative = -0.75 * p**2 * (1 - p).log() * (1 - targets)
    torch.testing.assert_close(losses.focal_loss(logits, targets), (positive + negative).sum())


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000))
def test_dice_has_squared_denominators(seed: int) -> None:
    logits, targets = random_masks(seed)
    p = logits.sigmoid()
    expected = 1 - 2 * (p * targets).sum(1) / (p**2 + targets**2).sum(1)
    torch.testing.assert_close(losses.dice_loss(logits, targets), expected, atol=1e-4, rtol=0)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000))
def test_pixel_loss_is_the_mean_cross_entropy(seed: int) -> None:
    logits, targets = random_masks(seed)
    p = logits.sigmoid()
    expected = -(targets * p.log() + (1 - targets) * (1 - p).log()).mean(1)
    torch.testing.assert_close(losses.pixel_loss(logits, targets), expected)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000))
def test_pairwise_dice_agrees_with_dice_of_each_pair(seed: int) -> None:
    logits, targets = random_masks(seed)
    probabilities = logits.sigmoid()
    matrix = losses.pairwise_dice_score(probabilities, targets)
    for row in range(3):
        for column in range(3):
            pair = losses.dice_score(probabilities[row : row + 1], targets[column : column + 1])
            torch.testing.assert_close(matrix[row, column], pair[0])


def test_perfect_masks_cost_nothing_and_have_iou_one() -> None:
    targets = random_masks(0)[1]
    logits = (targets - 0.5) * 100
    torch.testing.assert_close(losses.dice_loss(logits, targets), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(losses.pixel_loss(logits, targets), torch.zeros(3))
    torch.testing.assert_close(losses.mask_iou(logits, targets), torch.ones(3))


def test_iou_binarises_predictions_at_four_tenths() -> None:
    logits = torch.tensor([[0.41, 0.39, 0.9, 0.1]]).logit()
    targets = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    torch.testing.assert_close(losses.mask_iou(logits, targets), torch.tensor([1 / 3]))


def test_empty_masks_have_iou_zero() -> None:
    assert losses.mask_iou(torch.full((1, 4), -9.0), torch.zeros(1, 4)).item() == 0


def test_objectness_is_least_where_it_equals_the_iou() -> None:
    ious = torch.tensor([0.3])
    at_iou = losses.objectness_loss(ious.logit(), ious)
    for other in (0.2, 0.4):
        assert losses.objectness_loss(torch.tensor([other]).logit(), ious) > at_iou
