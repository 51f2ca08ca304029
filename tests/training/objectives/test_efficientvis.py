"""EfficientVIS's loss: what is matched to what, and what correspondence learning asks of the second clip."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models.efficientvis.efficientvis import ClipPrediction, EfficientVIS
from mobilevis.models.efficientvis.interaction import Interaction
from mobilevis.models.registry import create_model
from mobilevis.training.objectives.boxes import generalised_iou, mask_boxes
from mobilevis.training.objectives.clip_targets import ClipTarget, clip_target
from mobilevis.training.objectives.efficientvis import (
    EfficientVISLoss,
    EfficientVISObjective,
    assign_among,
    clip_terms,
    match_costs,
)
from mobilevis.training.objectives.matcher import Assignment, Target

T, N, K, h, w, m = 2, 4, 3, 16, 32, 8
WEIGHTS = EfficientVISLoss()
ALL = torch.arange(N)


def frame(*objects: tuple[int, int]) -> Target:
    """A frame of (identity, class); identity i covers the 8 × 8 cells from column 4·i on."""
    masks = torch.zeros(len(objects), h, w)
    for mask, (identity, _) in zip(masks, objects):
        mask[4:12, 4 * identity : 4 * identity + 8] = 1
    labels, identities = [label for _, label in objects], [identity for identity, _ in objects]
    return Target(torch.tensor(labels, dtype=torch.long), masks, torch.tensor(identities, dtype=torch.long))


def perfect(target: ClipTarget, queries: list[int]) -> ClipPrediction:
    """A prediction that says the target with the given queries, one an instance."""
    logits, masks = torch.full((T, N, K), -9.0), torch.full((T, N, m, m), -9.0)
    boxes = torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(T, N, 1)
    for instance, query in enumerate(queries):
        for t in range(T):
            if target.present[t, instance]:
                logits[t, query, target.labels[instance]] = 9.0
                boxes[t, query] = target.boxes[t, instance]
                masks[t, query] = 9.0
    nothing = torch.zeros(T, N, 1)
    return ClipPrediction(Interaction(logits, boxes, nothing, nothing), masks)


def test_instances_are_followed_by_identity():
    target = clip_target([frame((5, 1), (2, 0)), frame((2, 0))])
    assert target.labels.tolist() == [0, 1]
    assert target.present.tolist() == [[True, True], [True, False]]
    assert target.masks.sum((2, 3)).tolist() == [[64, 64], [64, 0]]
    torch.testing.assert_close(target.boxes[0, 1], torch.tensor([20 / w, 4 / h, 28 / w, 12 / h]))
    assert target.boxes[1, 1].tolist() == [0, 0, 0, 0]


def test_a_clip_of_empty_frames_has_no_instances():
    assert len(clip_target([frame(), frame()])) == 0


def test_coverage_says_where_in_a_cell_an_object_ends():
    mask = torch.zeros(4, 8)
    mask[1, 2:5] = torch.tensor([0.25, 1.0, 0.5])
    torch.testing.assert_close(mask_boxes(mask), torch.tensor([2.75 / 8, 1 / 4, 4.5 / 8, 2 / 4]))


def test_generalised_iou_of_known_boxes():
    box = torch.tensor([0.0, 0.0, 2.0, 2.0])
    others = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [3.0, 0.0, 4.0, 2.0]])
    # Equal; a third shared; apart, where a quarter of the hull belongs to neither.
    torch.testing.assert_close(generalised_iou(box, others), torch.tensor([1.0, 1 / 3, -0.25]))


def test_the_query_that_predicts_an_instance_is_given_it():
    target = clip_target([frame((1, 0), (4, 2)), frame((1, 0))])
    found = assign_among(match_costs(perfect(target, [3, 1]), target, WEIGHTS), ALL, torch.arange(2))
    assert dict(zip(found.queries.tolist(), found.instances.tolist())) == {3: 0, 1: 1}


def test_only_the_queries_and_instances_that_are_offered_are_matched():
    target = clip_target([frame((1, 0), (4, 2)), frame((1, 0), (4, 2))])
    costs = match_costs(perfect(target, [3, 1]), target, WEIGHTS)
    found = assign_among(costs, torch.tensor([0, 1]), torch.tensor([1]))
    assert (found.queries.tolist(), found.instances.tolist()) == ([1], [1])


def test_a_perfect_prediction_costs_almost_nothing():
    target = clip_target([frame((1, 0), (4, 2)), frame((4, 2))])
    terms = clip_terms(
        perfect(target, [2, 0]), target, Assignment(torch.tensor([0, 2]), torch.tensor([1, 0]))
    )
    assert float(terms["l1"]) == float(terms["giou"]) == 0
    assert float(terms["classes"]) < 1e-6
    assert float(terms["dice"]) < 0.02, "the crops' edges are interpolated"


def test_where_an_instance_is_gone_its_mask_must_be_empty_and_its_box_is_free():
    target = clip_target([frame((1, 0)), frame()])
    there = perfect(clip_target([frame((1, 0)), frame((1, 0))]), [0])
    assignment = Assignment(torch.tensor([0]), torch.tensor([0]))
    terms = clip_terms(there, target, assignment)
    assert terms["l1"] == 0
    assert float(terms["dice"]) < 0.01, "dice counts frame 0 only"
    assert float(terms["pixel"]) > 8, "the mask of frame 1 is wrong in every pixel"
    assert float(terms["classes"]) > 5, "and so is its class"


def test_predictions_that_are_not_finite_are_refused():
    target = clip_target([frame((1, 0)), frame((1, 0))])
    prediction = perfect(target, [0])
    prediction.mask_logits[0, 0, 0, 0] = torch.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        assign_among(match_costs(prediction, target, WEIGHTS), ALL, torch.arange(1))


@pytest.fixture
def model() -> EfficientVIS:
    torch.manual_seed(0)
    small = {"dim": 16, "heads": 2, "hidden": 16, "dynamic_dim": 4, "iterations": 2, "box_bins": 2}
    model = create_model("efficientvis-tiny", num_classes=K, num_queries=N, clip_length=T, **small)
    assert isinstance(model, EfficientVIS)
    return model.eval()  # batch norms would mix the samples


def pair(*clips: tuple[list[Target], list[Target]]) -> tuple[torch.Tensor, list[Target]]:
    """Frames and targets of samples of two clips, in the order of a batch."""
    frames = 255 * torch.rand(2 * T * len(clips), 3, 64, 128, generator=torch.Generator().manual_seed(1))
    rows = zip(*(first + second for first, second in clips))
    return frames, [target for row in rows for target in row]


def objective_of_pairs(
    model: EfficientVIS, monkeypatch: pytest.MonkeyPatch, reverse: bool
) -> EfficientVISObjective:
    monkeypatch.setattr(torch, "rand", lambda *size: torch.full(size[0], 0.0 if reverse else 0.9))
    return EfficientVISObjective(model, WEIGHTS, 2 * T)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_second_clip_keeps_the_assignment_of_the_first(model, monkeypatch, reverse):
    """The assignments that the terms are computed from, with the two clips in either order."""
    from mobilevis.training.objectives import efficientvis

    seen: list[Assignment] = []
    compute = efficientvis.clip_terms

    def record(prediction, target, assignment):
        seen.append(assignment)
        return compute(prediction, target, assignment)

    monkeypatch.setattr(efficientvis, "clip_terms", record)
    early, late = [frame((1, 0)), frame((1, 0), (5, 2))], [frame((5, 2)), frame((3, 1), (5, 2))]
    frames, targets = pair((early, late))
    objective_of_pairs(model, monkeypatch, reverse)(frames, targets)
    pairs = [dict(zip(item.instances.tolist(), item.queries.tolist())) for item in seen]
    # Instances 0, 1 and 2 are identities 1, 3 and 5; two iterations a clip.
    first = {1, 2} if reverse else {0, 2}
    assert [set(item) for item in pairs] == [first, first, {0, 1, 2}, {0, 1, 2}]
    for item in pairs[2:]:
        assert {instance: item[instance] for instance in first} == pairs[1]
        assert len(set(item.values())) == len(item), "an instance that is new takes a free query"


def test_gradients_of_the_second_clip_reach_the_first_through_its_queries(model, monkeypatch):
    frames, targets = pair(([frame((1, 0))] * T, [frame((1, 0))] * T))
    frames.requires_grad_()
    terms = objective_of_pairs(model, monkeypatch, reverse=False)(frames, targets)
    (gradient,) = torch.autograd.grad(terms["carried_classes"], frames)
    assert bool((gradient.abs().sum((1, 2, 3)) > 0).all())


def test_every_iteration_learns_its_boxes_and_masks(model):
    frames, targets = pair(([frame((1, 0))] * T, [frame((1, 0))] * T))
    sum(EfficientVISObjective(model, WEIGHTS, 2 * T)(frames, targets).values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
    for iteration, head in zip(model.iterations, model.mask_heads):
        assert all(float(part.grad.abs().sum()) > 0 for part in iteration.box_head.parameters())
        assert all(float(part.grad.abs().sum()) > 0 for part in head.convs.parameters())


def test_a_batch_weighs_its_samples_by_their_instances(model, monkeypatch):
    one, two = [frame((1, 0))] * T, [frame((1, 0), (4, 2))] * T
    frames, targets = pair((one, one), (two, two))
    objective = objective_of_pairs(model, monkeypatch, reverse=False)
    joint = objective(frames, targets)
    alone = [objective(frames[i::2], targets[i::2]) for i in range(2)]
    for name, term in joint.items():
        torch.testing.assert_close(3 * term, 1 * alone[0][name] + 2 * alone[1][name], rtol=1e-4, atol=1e-5)


def test_a_sample_of_empty_frames_teaches_silence(model):
    frames, targets = pair(([frame()] * T, [frame()] * T))
    terms = EfficientVISObjective(model, WEIGHTS, 2 * T)(frames, targets)
    assert terms["classes"].item() > 0
    assert terms["l1"].item() == terms["dice"].item() == 0


def test_a_sample_of_one_clip_has_no_correspondence_learning(model):
    frames, targets = pair(([frame((1, 0))] * T, []))
    terms = EfficientVISObjective(model, WEIGHTS, T)(frames[:T], targets)
    assert set(terms) == {"classes", "l1", "giou", "dice", "pixel"}


def test_samples_of_another_length_are_refused(model):
    with pytest.raises(ValueError, match=r"clip\.length is 3; give 2, the model's clip_length, or 4"):
        EfficientVISObjective(model, WEIGHTS, 3)


def test_negative_weights_are_refused():
    with pytest.raises(ValueError, match="≥ 0"):
        EfficientVISLoss(dice=-1.0)
