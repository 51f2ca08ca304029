"""Mask2Former's loss, computed for all frames at once, against a loop over frames and outputs."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mobilevis.models.minvis.minvis import Prediction
from mobilevis.training.objectives.losses import dice_loss, pixel_loss
from mobilevis.training.objectives.mask2former import (
    Mask2FormerLoss,
    frame_terms,
    join_outputs,
    match_costs,
    pairwise_pixel_loss,
    split_outputs,
)
from mobilevis.training.objectives.matcher import Target, assign, pad_targets

WEIGHTS = Mask2FormerLoss()
CLASSES, QUERIES = 3, 6


def drawn_target(count: int) -> Target:
    return Target(torch.randint(CLASSES, (count,)), torch.rand(count, 4, 5), torch.arange(count))


def drawn_batch(outputs: int, counts: tuple[int, ...]) -> tuple[list[Prediction], list[Target]]:
    torch.manual_seed(0)
    frames = len(counts)
    predictions = [
        Prediction(torch.randn(frames, QUERIES, CLASSES + 1), torch.randn(frames, QUERIES, 4, 5))
        for _ in range(outputs)
    ]
    return predictions, [drawn_target(count) for count in counts]


def looped_terms(prediction: Prediction, targets: list[Target]) -> dict[str, torch.Tensor]:
    """One output's terms, frame by frame."""
    entropies, importances, logits, masks = [], [], [], []
    for class_logits, mask_logits, target in zip(*prediction, targets):
        probabilities = class_logits.softmax(-1)[:, target.labels]
        pixels = torch.stack([
            F.binary_cross_entropy_with_logits(
                mask_logits, mask.expand_as(mask_logits), reduction="none"
            ).mean((1, 2))
            for mask in target.masks
        ], dim=1) if len(target.masks) else torch.zeros(QUERIES, 0)  # fmt: skip
        dice = torch.stack([
            dice_loss(mask_logits.flatten(1), mask.flatten().expand(QUERIES, -1)) for mask in target.masks
        ], dim=1) if len(target.masks) else torch.zeros(QUERIES, 0)  # fmt: skip
        found = assign(WEIGHTS.mask * pixels + WEIGHTS.dice * dice - WEIGHTS.classes * probabilities)
        labels = torch.full((QUERIES,), CLASSES)
        labels[found.queries] = target.labels[found.instances]
        importance = torch.where(labels == CLASSES, WEIGHTS.no_object, 1.0)
        entropies.append((F.cross_entropy(class_logits, labels, reduction="none") * importance).sum())
        importances.append(importance.sum())
        logits.append(mask_logits[found.queries].flatten(1))
        masks.append(target.masks[found.instances].flatten(1))
    found_logits, found_masks = torch.cat(logits), torch.cat(masks)
    count = max(1, len(found_masks))
    return {
        "classes": WEIGHTS.classes * sum(entropies) / sum(importances),
        "mask": WEIGHTS.mask * pixel_loss(found_logits, found_masks).sum() / count,
        "dice": WEIGHTS.dice * dice_loss(found_logits, found_masks).sum() / count,
    }


@pytest.mark.parametrize("counts", [(2, 4, 0), (1,), (0, 0), (7, 3)], ids=str)
def test_all_frames_at_once_have_the_terms_of_a_loop_over_frames_and_outputs(counts):
    predictions, targets = drawn_batch(3, counts)
    expected = [looped_terms(prediction, targets) for prediction in predictions]
    terms = frame_terms(join_outputs(predictions), 3, targets, WEIGHTS)
    for name, term in terms.items():
        torch.testing.assert_close(term, sum(each[name] for each in expected))


def test_outputs_that_are_joined_are_split_again():
    predictions, _ = drawn_batch(3, (1, 1))
    for before, after in zip(predictions, split_outputs(join_outputs(predictions), 3)):
        torch.testing.assert_close(after, before)


def test_what_is_padded_is_no_instance():
    targets = [drawn_target(1), drawn_target(3)]
    instances = pad_targets(targets)
    assert instances.counts == (1, 3)
    assert not instances.masks[0, 1:].any()
    torch.testing.assert_close(instances.masks[1], targets[1].masks)


def test_the_pairwise_loss_is_pytorchs():
    logits, masks = torch.randn(3, 20), torch.rand(2, 20)
    expected = [[F.binary_cross_entropy_with_logits(p, m) for m in masks] for p in logits]
    torch.testing.assert_close(pairwise_pixel_loss(logits, masks), torch.tensor(expected))


def test_costs_of_a_batch_are_those_of_its_frames():
    (prediction,), targets = drawn_batch(1, (2, 3))
    together = match_costs(prediction, pad_targets(targets), WEIGHTS)
    for frame, target in enumerate(targets):
        alone = Prediction(*(tensor[frame : frame + 1] for tensor in prediction))
        expected = match_costs(alone, pad_targets([target]), WEIGHTS)
        torch.testing.assert_close(together[frame : frame + 1, :, : len(target.labels)], expected)


def test_costs_are_float32s_where_the_rest_is_half():
    (prediction,), targets = drawn_batch(1, (2, 3))
    loud = prediction._replace(mask_logits=40 * prediction.mask_logits)
    expected = match_costs(loud, pad_targets(targets), WEIGHTS)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(match_costs(loud, pad_targets(targets), WEIGHTS), expected)
