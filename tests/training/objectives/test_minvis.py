"""Mask2Former's loss, the clips of TAR and the tracker's of DVIS++."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mobilevis.models import create_model
from mobilevis.models.minvis.minvis import Features, Prediction, Refinement
from mobilevis.training.objectives.dvis_plus import DvisPlusLoss, DvisPlusObjective, disturb
from mobilevis.training.objectives.identities import IdentityAssigner
from mobilevis.training.objectives.mask2former import (
    Mask2FormerLoss,
    compute_terms,
    join_outputs,
    match_costs,
    match_outputs,
)
from mobilevis.training.objectives.matcher import Assignment, Target, pad_targets
from mobilevis.training.objectives.minvis import MinVISLoss, MinVISObjective
from mobilevis.training.objectives.routing import draw_rollout, router_loss, segmenter_terms
from mobilevis.training.objectives.tar import TarLoss, TarObjective

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
        return TarObjective(model, TarLoss(**weights), length=2)
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
        ("minvis-tar-tiny", {"routers": "gain", "keep_identities": True}),
        ("dvis-plus-tiny", {"segmenter": 1.0}),
        ("dvis-plus-tar-tiny", {"segmenter": 1.0, "budget": 1.0, "rollout": 2}),
        ("dvis-plus-tar-tiny", {"segmenter": 1.0, "routers": "gain"}),
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
        ("minvis-tiny", {"freeze_encoder": True}, {"decoder"}),
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
        ("minvis-tar-tiny", TarObjective, TarLoss()),
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


def routed_frames(trained: TarObjective) -> tuple[Features, Refinement, list[Target]]:
    """Two frames that follow two others, on the way that the routers chose."""
    frames, targets = clips()
    first, second = trained.model.features(frames[:2]), trained.model.features(frames[2:])
    return second, trained.model.refine(second, trained.model.refine(first).queries[-1]), targets[2:]


def test_an_output_of_a_layer_that_did_not_run_has_no_loss():
    trained = objective("minvis-tar-tiny", routers="gain")
    features, steps, targets = routed_frames(trained)
    skipped = steps._replace(kept=torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    terms = segmenter_terms(trained.model, features, skipped, targets, trained.weights)
    alone = Refinement([*steps.queries[:-2], steps.refined[0]], steps.kept)
    expected = segmenter_terms(trained.model, features, alone, targets, trained.weights)
    assert terms.pop("routers") > 0
    torch.testing.assert_close(terms, expected)


def test_what_a_layer_gains_is_all_that_its_router_learns_from():
    trained = objective("minvis-tar-tiny", routers="gain", freeze_encoder=True)
    terms = trained(*clips())
    routers = list(trained.model.routers.parameters())
    task = torch.autograd.grad(
        terms["classes"] + terms["mask"], routers, retain_graph=True, allow_unused=True
    )
    assert all(gradient is None for gradient in task)
    rest = [p for name, p in trained.model.named_parameters() if p.requires_grad and "routers" not in name]
    assert all(g is None for g in torch.autograd.grad(terms["routers"], rest, allow_unused=True))


def decide(kept: list[list[float]], margins: list[list[float]]) -> Refinement:
    return Refinement([], torch.tensor(kept), [], torch.tensor(margins, requires_grad=True))


def test_a_layer_is_worth_keeping_where_it_saves_more_than_its_budget():
    losses = torch.tensor([[5.0, 3.0, 2.9], [5.0, 4.95, 4.0]])
    steps = decide([[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]])
    (gradient,) = torch.autograd.grad(router_loss(losses, steps, budget=0.2), steps.margins)
    assert (gradient < 0).tolist() == [[True, False], [False, True]]


def test_a_layer_is_measured_against_the_last_one_that_ran():
    losses = torch.tensor([[5.0, 1.0, 3.0]])
    skipped, ran = decide([[0.0, 1.0]], [[0.0, 0.0]]), decide([[1.0, 1.0]], [[0.0, 0.0]])
    surplus = {"skipped": 4.0 + 2.0, "ran": 4.0 + 2.0}
    for steps, name, keeps in ((skipped, "skipped", True), (ran, "ran", False)):
        loss = router_loss(losses, steps, budget=0.0)
        assert float(loss.detach()) == pytest.approx(surplus[name] / 2 * math.log(2))
        (gradient,) = torch.autograd.grad(loss, steps.margins)
        assert bool(gradient[0, 1] < 0) is keeps


def test_routers_learn_to_skip_a_layer_that_gains_nothing():
    trained = objective("minvis-tar-tiny", routers="gain", budget=1e3)
    optimiser = torch.optim.SGD(trained.model.routers.parameters(), lr=1e-3)
    for _ in range(4):
        optimiser.zero_grad()
        trained(*clips())["routers"].backward()
        optimiser.step()
    assert float(routed_frames(trained)[1].kept.sum()) == 0.0


def test_an_object_of_a_clip_keeps_its_query_behind_the_synchroniser():
    trained = objective("minvis-tar-tiny")
    features, steps, targets = routed_frames(trained)
    nothing = Assignment(*torch.empty(2, 0, dtype=torch.long))
    kept = [Assignment(torch.tensor([4]), torch.tensor([0])), nothing]
    found = segmenter_terms(trained.model, features, steps, targets, trained.weights, lambda costs: kept)
    predictions, instances = trained.model.predictions(features, steps), pad_targets(targets)
    anew = match_outputs(predictions[:2], instances, trained.weights)
    matches = [*anew, kept, kept, kept]
    expected = compute_terms(join_outputs(predictions), instances, matches, trained.weights)
    torch.testing.assert_close(found, expected)


def test_an_unknown_teacher_of_routers_is_refused():
    with pytest.raises(ValueError, match=r"objective\.routers"):
        TarLoss(routers="reward")
