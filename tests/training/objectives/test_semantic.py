from __future__ import annotations

import torch

from mobilevis.training.objectives.matcher import Target, pad_targets
from mobilevis.training.objectives.semantic import (
    QueryClassHead,
    SemanticHead,
    queries_on_objects,
    semantic_maps,
)


def two_halves() -> Target:
    """Class 2 covers the left half of an 8x8 grid, class 0 three rows of the right half."""
    masks = torch.zeros(2, 8, 8)
    masks[0, :, :4] = 1
    masks[1, :3, 4:] = 1
    return Target(torch.tensor([2, 0]), masks, torch.arange(2))


def test_a_pixel_is_the_class_that_covers_it_by_half_or_more() -> None:
    expected = torch.tensor([[3, 3, 1, 1], [3, 3, 0, 0], [3, 3, 0, 0], [3, 3, 0, 0]])
    masks = semantic_maps(pad_targets([two_halves()]))[0]
    assert torch.equal(masks[[0, 2, 3]], expected[[0, 2, 3]])
    assert masks[1, 2:].tolist() == [0, 0]  # covered by exactly a half: the background has it


def test_a_frame_without_instances_is_background() -> None:
    empty = Target(torch.zeros(0, dtype=torch.long), torch.zeros(0, 8, 8), torch.zeros(0, dtype=torch.long))
    assert not semantic_maps(pad_targets([empty])).any()


def test_objects_and_background_weigh_the_same() -> None:
    head = SemanticHead(dim=4, num_classes=3)
    features = torch.randn(1, 4, 4, 4)
    labels = semantic_maps(pad_targets([two_halves()]))[0]
    log_probabilities = head.classify(features).log_softmax(1)[0]
    each = -log_probabilities.gather(0, labels[None])[0]
    expected = each[labels > 0].mean() + each[labels == 0].mean()
    torch.testing.assert_close(head(features, [two_halves()]), expected)


def test_only_queries_whose_masks_lie_on_an_object_are_classified() -> None:
    target = two_halves()
    elsewhere = torch.zeros(8, 8)
    elsewhere[6:, 6:] = 1
    masks = 20 * torch.stack([elsewhere, target.masks[1], target.masks[0], target.masks[0]]) - 10
    queries, instances = queries_on_objects(masks, target)
    assert (queries.tolist(), instances.tolist()) == ([1, 2, 3], [1, 0, 0])


def test_a_query_on_an_object_learns_the_object_s_class() -> None:
    target = two_halves()
    head = QueryClassHead(dim=4, num_classes=3)
    queries = torch.randn(1, 2, 4)
    masks = 20 * target.masks[None] - 10
    expected = -head.classify(queries[0]).log_softmax(1)[[0, 1], target.labels].mean()
    torch.testing.assert_close(head(queries, masks, [target]), expected)


def test_a_frame_without_objects_teaches_queries_nothing() -> None:
    empty = Target(torch.zeros(0, dtype=torch.long), torch.zeros(0, 8, 8), torch.zeros(0, dtype=torch.long))
    assert float(QueryClassHead(4, 3)(torch.randn(1, 2, 4), torch.randn(1, 2, 8, 8), [empty])) == 0
