from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilevis.training.objectives.matcher import assign, match_slots


def random_costs(seed: int, queries: int, instances: int) -> torch.Tensor:
    return torch.randn(queries, instances, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(3, 5),
    instances=st.integers(1, 3),
    maximize=st.booleans(),
)
def test_no_other_assignment_is_better(seed: int, queries: int, instances: int, maximize: bool) -> None:
    costs = random_costs(seed, queries, instances)
    assignment = assign(costs, maximize)
    total = costs[assignment.queries, assignment.instances].sum()
    totals = (
        sum(costs[query, instance] for instance, query in enumerate(chosen))
        for chosen in permutations(range(queries), instances)
    )
    torch.testing.assert_close(total, torch.as_tensor((max if maximize else min)(totals)))


def test_every_instance_is_given_another_query() -> None:
    assignment = assign(random_costs(1, 10, 6))
    assert sorted(assignment.instances.tolist()) == list(range(6))
    assert len(set(assignment.queries.tolist())) == 6


def test_a_frame_without_instances_has_an_empty_assignment() -> None:
    assignment = assign(random_costs(1, 10, 0))
    assert len(assignment.queries) == len(assignment.instances) == 0


def test_more_instances_than_queries_leave_some_out() -> None:
    assert len(assign(random_costs(1, 2, 5)).queries) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_costs_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(FloatingPointError, match="not finite"):
        assign(torch.tensor([[0.0, value]]))


def test_slots_find_their_queries_in_any_order() -> None:
    slots = torch.eye(4)[None]
    order = torch.tensor([2, 0, 3, 1])
    found = match_slots(slots, 3.0 * slots[:, order])
    torch.testing.assert_close(slots[:, order][0, found[0]], slots[0])
