"""Mask2Former's loss, the clips of TAR and the tracker's of DVIS++."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mobilevis.models import create_model
from mobilevis.models.minvis.minvis import Prediction, Refinement
from mobilevis.training.objectives.dvis_plus import DvisPlusLoss, DvisPlusObjective, disturb
from mobilevis.training.objectives.identities import IdentityAssigner
from mobilevis.training.objectives.mask2former import (
    Mask2FormerLoss,
    compute_terms,
    match_costs,
    match_outputs,
)
from mobilevis.training.objectives.matcher import Assignment, Target, pad_targets
from mobilevis.training.objectives.minvis import MinVISLoss, MinVISObjective
from mobilevis.training.objectives.routing import RoutingLoss, draw_rollout, segmenter_terms
from mobilevis.training.objectives.tar import TarObjective

SMALL = {"num_classes": 2, "num_queries": 5, "dim": 32, "decoder_layers": 3, "encoder_layers": 1}
WEIGHTS = Mask2FormerLoss()


def squares(*identities: int, shift: int = 0) -> Target:
    """An instance of class i % 2 for each identity, one below the other."""
    masks = torch.zeros(len(identities), 16, 16)
    for row, identity in enumerate(identities):
        masks[row, 4 * identity : 4 * identity + 4, 2 + shift : 8 + shift] = 1.0
    names = torch.tensor(identities, dtype=torch.long)
    return Target(names % 2, masks, names)


def ideal(target: Target, queries: list[int], count: int = 5) -> Prediction:
    """A prediction of one frame that has each instance at the given query."""
    class_logits = torch.full((count, 3), -8.0)
    class_logits[:, 2] = 8.0
    mask_logits = torch.full((count, 16, 16), -8.0)
    for query, label, mask in zip(queries, target.labels, target.masks):
        class_logits[query] = torch.eye(3)[label] * 16 - 8
        mask_logits[query] = mask * 16 - 8
    return Prediction(class_logits, mask_logits)


def batch(*frames: Prediction) -> Prediction:
    return Prediction(*(torch.stack(tensors) for tensors in zip(*frames)))


def test_a_query_that_shows_an_instance_costs_least():
    target = squares(0, 1)
    costs = match_costs(batch(ideal(target, [3, 1])), pad_targets([target]), WEIGHTS)
    assert costs[0].argmin(dim=0).tolist() == [3, 1]


def test_predictions_that_are_not_finite_are_refused():
    target = squares(0)
    broken = Prediction(torch.full((1, 5, 3), torch.nan), torch.zeros(1, 5, 16, 16))
    with pytest.raises(FloatingPointError, match="not finite"):
        match_outputs([broken], pad_targets([target]), WEIGHTS)


def test_an_ideal_prediction_has_next_to_no_loss():
    target = squares(0, 1)
    assignment = Assignment(torch.tensor([3, 1]), torch.tensor([0, 1]))
    terms = compute_terms(batch(ideal(target, [3, 1])), pad_targets([target]), [[assignment]], WEIGHTS)
    assert all(float(term) < 0.02 for term in terms.values())


def test_a_query_without_an_instance_counts_a_tenth():
    target, weights = squares(0), Mask2FormerLoss(classes=1.0)
    logits = torch.randn(1, 5, 3)
    prediction = Prediction(logits, torch.zeros(1, 5, 16, 16))
    assignment = Assignment(torch.tensor([2]), torch.tensor([0]))
    labels = torch.tensor([2, 2, 0, 2, 2])
    losses = F.cross_entropy(logits[0], labels, reduction="none")
    importance = torch.tensor([0.1, 0.1, 1.0, 0.1, 0.1])
    expected = (losses * importance).sum() / importance.sum()
    terms = compute_terms(prediction, pad_targets([target]), [[assignment]], weights)
    torch.testing.assert_close(terms["classes"], expected)


def test_frames_without_objects_have_a_class_loss_only():
    target = squares()
    empty = Assignment(torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long))
    terms = compute_terms(batch(ideal(target, [])), pad_targets([target]), [[empty]], WEIGHTS)
    assert float(terms["mask"]) == float(terms["dice"]) == 0.0


def assign(assigner: IdentityAssigner, target: Target, queries: list[int]) -> dict[int, int]:
    """Instance → query, where an ideal prediction has the instances at the given queries."""
    costs = match_costs(batch(ideal(target, queries)), pad_targets([target]), WEIGHTS).numpy()
    found = assigner.assign(costs, [target.identities.tolist()])[0]
    return dict(zip(found.instances.tolist(), found.queries.tolist()))


def test_an_object_keeps_its_query_when_another_one_shows_it_better():
    assigner = IdentityAssigner(batch=1)
    assert assign(assigner, squares(0), [3]) == {0: 3}
    assert assign(assigner, squares(0, 1, shift=4), [2, 4]) == {0: 3, 1: 4}


def test_an_object_that_is_away_leaves_its_query_to_no_other():
    assigner = IdentityAssigner(batch=1)
    assign(assigner, squares(0), [3])
    assert assign(assigner, squares(1), [3]) != {0: 3}


def test_a_disturbed_query_lies_between_two_queries():
    queries = torch.tensor([[[0.0], [1.0], [2.0]]])
    mixed = disturb(queries)
    assert mixed.min() >= 0
    assert mixed.max() <= 2


def objective(name: str, **weights: object) -> torch.nn.Module:
    torch.manual_seed(0)
    model = create_model(name, **SMALL)
    if name == "minvis-tiny":
        return MinVISObjective(model, MinVISLoss(**weights))
    if name == "minvis-tar-tiny":
        return TarObjective(model, RoutingLoss(**weights), length=2)
    return DvisPlusObjective(model, DvisPlusLoss(**weights), length=2)


def clips() -> tuple[torch.Tensor, list[Target]]:
    """Two clips of two frames; the second frame of the second clip is empty."""
    frames = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    return frames, [squares(0, 1), squares(2), squares(0, shift=2), squares()]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("minvis-tiny", {}),
        ("minvis-tiny", {"semantic": 1.0}),
        ("minvis-tar-tiny", {"budget": 1.0, "rollout": 2}),
        ("minvis-tar-tiny", {"budget": 1.0, "final_only": True}),
        ("dvis-plus-tiny", {"segmenter": 1.0}),
        ("dvis-plus-tar-tiny", {"segmenter": 1.0, "budget": 1.0, "rollout": 2}),
    ],
)
def test_the_loss_reaches_every_parameter(name, weights):
    trained = objective(name, **weights)
    terms = trained(*clips())
    assert all(term.isfinite() for term in terms.values())
    torch.stack(list(terms.values())).sum().backward()
    assert [key for key, parameter in trained.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(
    ("name", "weights", "trained"),
    [
        ("minvis-tar-tiny", {"freeze_encoder": True}, {"decoder", "synchroniser", "routers"}),
        ("dvis-plus-tiny", {}, {"tracker"}),
        ("dvis-plus-tar-tiny", {}, {"tracker", "synchroniser", "routers"}),
    ],
)
def test_what_the_paper_freezes_is_frozen(name, weights, trained):
    parameters = objective(name, **weights).model.named_parameters()
    assert {key.split(".")[0] for key, parameter in parameters if parameter.requires_grad} == trained


def test_the_statistics_of_what_is_frozen_stay_as_they_are():
    trained = objective("minvis-tar-tiny", freeze_encoder=True).train()
    before = {name: x.clone() for name, x in trained.model.backbone.named_buffers()}
    trained(*clips())
    assert any(name.endswith("running_mean") for name in before)
    assert all(torch.equal(before[name], x) for name, x in trained.model.backbone.named_buffers())


@pytest.mark.parametrize(
    ("name", "kind", "weights"),
    [
        ("minvis-tar-tiny", TarObjective, RoutingLoss()),
        ("dvis-plus-tiny", DvisPlusObjective, DvisPlusLoss()),
    ],
)
def test_clips_of_one_frame_are_refused(name, kind, weights):
    with pytest.raises(ValueError, match=r"clip.length must be 2 or more"):
        kind(create_model(name, **SMALL), weights, length=1)


def test_a_budget_makes_routers_skip_what_gains_nothing():
    """The paper names no such term; without it nothing asks a trained router to skip."""
    trained = objective("minvis-tar-tiny", classes=0.0, mask=0.0, dice=0.0, budget=1.0)
    optimiser = torch.optim.SGD(trained.model.routers.parameters(), lr=0.05)
    for _ in range(8):
        optimiser.zero_grad()
        torch.stack(list(trained(*clips()).values())).sum().backward()
        optimiser.step()
    assert float(trained(*clips())["budget"].detach()) == 0.0


def test_a_rollout_is_of_any_length_up_to_its_own():
    assert {draw_rollout(2) for _ in range(40)} == {0, 1, 2}


def test_the_final_queries_alone_can_stand_for_all_outputs_of_a_routed_frame():
    whole, final = objective("minvis-tar-tiny"), objective("minvis-tar-tiny", final_only=True)
    frames, targets = clips()
    features = whole.model.features(frames[:2])
    steps = whole.model.refine(features, whole.model.refine(features).queries[-1])
    last = Refinement(steps.queries[-1:], steps.kept)

    def terms(trained: TarObjective, way: Refinement, routed: bool) -> dict[str, torch.Tensor]:
        return segmenter_terms(trained.model, features, way, targets[:2], trained.weights, routed)

    expected = {name: len(steps.queries) * term for name, term in terms(whole, last, True).items()}
    torch.testing.assert_close(terms(final, steps, True), expected)
    torch.testing.assert_close(terms(final, steps, False), terms(whole, steps, True))
