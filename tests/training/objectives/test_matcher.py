from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevis.training.objectives.matcher import Target, match, match_quality


def random_frame(seed: int, queries: int, instances: int) -> tuple[torch.Tensor, torch.Tensor, Target]:
    generator = torch.Generator().manual_seed(seed)
    class_logits = torch.randn(queries, 4, generator=generator)
    mask_logits = 3 * torch.randn(queries, 4, 6, generator=generator)
    labels = torch.randint(4, (instances,), generator=generator)
    masks = (torch.rand(instances, 4, 6, generator=generator) > 0.5).float()
    return class_logits, mask_logits, Target(labels, masks, torch.arange(instances))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), queries=st.integers(3, 5), instances=st.integers(1, 3))
def test_no_other_assignment_is_better(seed: int, queries: int, instances: int) -> None:
    class_logits, mask_logits, target = random_frame(seed, queries, instances)
    quality = match_quality(class_logits, mask_logits, target)
    assignment = match(class_logits, mask_logits, target)
    total = quality[assignment.queries, assignment.instances].sum()
    best = max(
        sum(quality[query, instance] for instance, query in enumerate(chosen))
        for chosen in permutations(range(queries), instances)
    )
    torch.testing.assert_close(total, torch.as_tensor(best))


def test_quality_is_dice_and_class_probability_to_their_powers() -> None:
    class_logits, mask_logits, target = random_frame(0, 3, 2)
    p = mask_logits[1].sigmoid()
    dice = 2 * (p * target.masks[0]).sum() / (p.square().sum() + target.masks[0].square().sum())
    expected = dice**0.8 * class_logits[1, target.labels[0]].sigmoid() ** 0.2
    torch.testing.assert_close(
        match_quality(class_logits, mask_logits, target)[1, 0], expected, atol=1e-4, rtol=0
    )


def test_every_instance_is_given_another_query() -> None:
    assignment = match(*random_frame(1, 10, 6))
    assert sorted(assignment.instances.tolist()) == list(range(6))
    assert len(set(assignment.queries.tolist())) == 6


def test_a_frame_without_instances_has_an_empty_assignment() -> None:
    assignment = match(*random_frame(1, 10, 0))
    assert len(assignment.queries) == len(assignment.instances) == 0


def test_more_instances_than_queries_leave_some_out() -> None:
    assert len(match(*random_frame(1, 2, 5)).queries) == 2


def test_predictions_that_are_not_finite_are_refused() -> None:
    class_logits, mask_logits, target = random_frame(0, 3, 2)
    with pytest.raises(FloatingPointError, match="not finite"):
        match(class_logits * float("nan"), mask_logits, target)
