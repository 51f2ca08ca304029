"""SeqFormer's matching over a clip, its terms, and TAFormer's contrastive loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mobilevis.models import create_model
from mobilevis.models.seqformer.seqformer import LayerPrediction, SeqFormer
from mobilevis.training.config import load_config
from mobilevis.training.objectives.clip_targets import ClipTarget, clip_target
from mobilevis.training.objectives.matcher import Target, assign
from mobilevis.training.objectives.seqformer import (
    SeqFormerLoss,
    SeqFormerObjective,
    box_distances,
    clip_terms,
    contrastive_loss,
    match_costs,
)
from mobilevis.training.toml import from_table

LENGTH, QUERIES, CLASSES = 3, 4, 3
WEIGHTS = SeqFormerLoss()


def square(row: int, column: int) -> Tensor:
    mask = torch.zeros(16, 16)
    mask[row : row + 4, column : column + 4] = 1.0
    return mask


def moving_clip() -> ClipTarget:
    """Two instances; the second, of class 2, is hidden in the middle frame."""
    frames = []
    for t in range(LENGTH):
        shown = [0, 1] if t != 1 else [0]
        masks = [square(2, 2 + t), square(10, 11 - t)]
        frames.append(
            Target(torch.tensor([0, 2])[shown], torch.stack(masks)[shown], torch.tensor([7, 9])[shown])
        )
    return clip_target(frames)


def prediction(truth: ClipTarget, queries: tuple[int, int]) -> LayerPrediction:
    """Perfect boxes and classes by two queries; the others see nothing."""
    low, high = truth.boxes[..., :2], truth.boxes[..., 2:]
    boxes = torch.full((LENGTH, QUERIES, 4), 0.5)
    logits = torch.full((1, QUERIES, CLASSES), -10.0)
    for instance, query in enumerate(queries):
        boxes[:, query] = torch.cat([(low + high) / 2, high - low], dim=-1)[:, instance]
        logits[0, query, truth.labels[instance]] = 10.0
    empty = torch.zeros(LENGTH, QUERIES, 2)
    return LayerPrediction(logits, torch.zeros(1, QUERIES, 169), boxes, empty, empty)


def test_queries_are_matched_by_their_boxes_and_classes_over_the_clip() -> None:
    truth = moving_clip()
    assignment = assign(match_costs(prediction(truth, (3, 1)), truth, WEIGHTS))
    assert dict(zip(assignment.queries.tolist(), assignment.instances.tolist())) == {3: 0, 1: 1}


def test_a_perfect_prediction_costs_nothing() -> None:
    truth = moving_clip()
    perfect = prediction(truth, (0, 2))
    terms = clip_terms(perfect, truth, assign(match_costs(perfect, truth, WEIGHTS)))
    assert all(float(term) == pytest.approx(0.0, abs=1e-3) for term in terms.values())


def test_a_box_may_be_anywhere_where_its_instance_is_hidden() -> None:
    truth = moving_clip()
    perfect = prediction(truth, (0, 2))
    perfect.boxes[1, 2] = 0.9  # the frame that hides the second instance
    assert assign(match_costs(perfect, truth, WEIGHTS)).queries.tolist() == [0, 2]
    terms = clip_terms(perfect, truth, assign(match_costs(perfect, truth, WEIGHTS)))
    assert float(terms["l1"]) == pytest.approx(0.0, abs=1e-4)
    perfect.boxes[0, 2] += 0.1
    terms = clip_terms(perfect, truth, assign(match_costs(perfect, truth, WEIGHTS)))
    assert float(terms["l1"]) == pytest.approx(0.4 / 2, abs=1e-4)  # of the two frames that show it


def test_box_distances_of_equal_and_of_disjoint_boxes() -> None:
    boxes = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.875, 0.875, 0.25, 0.25]])
    l1, giou = box_distances(boxes, torch.tensor([[0.0, 0.0, 0.5, 0.5]]))
    torch.testing.assert_close(l1, torch.tensor([0.0, 1.75]))
    torch.testing.assert_close(giou, torch.tensor([0.0, 1.0 + (1 - 0.25 - 0.0625)]))


def test_the_contrastive_loss_of_equal_embeddings_is_the_logarithm_of_the_queries() -> None:
    loss = contrastive_loss(torch.ones(LENGTH * 2, QUERIES, 8), LENGTH, temperature=0.1)
    assert float(loss) == pytest.approx(math.log(QUERIES), rel=1e-5)


def test_the_contrastive_loss_falls_when_a_query_is_like_itself_in_the_other_frames() -> None:
    own = torch.eye(QUERIES, 8).expand(LENGTH * 2, -1, -1)
    shuffled = own.clone()
    shuffled[2:] = shuffled[2:].roll(1, dims=1)
    assert contrastive_loss(own, LENGTH, 0.1) < 0.01 < 1.0 < contrastive_loss(shuffled, LENGTH, 0.1)


def test_the_contrastive_loss_compares_frames_of_one_clip_only() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, LENGTH, QUERIES, 8)
    joint = contrastive_loss(torch.stack([first, second], dim=1).flatten(0, 1), LENGTH, 0.1)
    apart = (contrastive_loss(first, LENGTH, 0.1) + contrastive_loss(second, LENGTH, 0.1)) / 2
    torch.testing.assert_close(joint, apart)


def test_a_clip_of_one_frame_has_no_contrast() -> None:
    assert float(contrastive_loss(torch.randn(2, QUERIES, 8), 1, 0.1)) == 0.0


def objective(name: str, **weights: float) -> SeqFormerObjective:
    torch.manual_seed(0)
    model = create_model(name, num_classes=CLASSES, num_queries=QUERIES, encoder_layers=1, decoder_layers=2)
    assert isinstance(model, SeqFormer)
    return SeqFormerObjective(model, SeqFormerLoss(**weights), length=2)


def batch(instances: int) -> tuple[Tensor, list[Target]]:
    """Two clips of two frames of 64x64."""
    masks = torch.stack([square(2, 2), square(9, 9)])[:instances]
    target = Target(torch.tensor([0, 2])[:instances], masks, torch.tensor([1, 2])[:instances])
    return torch.rand(4, 3, 64, 64) * 255, [target] * 4


@pytest.mark.parametrize(("name", "contrastive"), [("seqformer-tiny", 0.0), ("taformer-tiny", 1.0)])
def test_every_weight_that_a_clip_needs_learns(name: str, contrastive: float) -> None:
    trained = objective(name, contrastive=contrastive)
    terms = trained(*batch(2))
    names = {"classes", "l1", "giou", "dice", "focal"} | ({"contrastive"} if contrastive else set())
    assert set(terms) == names
    torch.stack(list(terms.values())).sum().backward()
    idle = {name for name, p in trained.named_parameters() if p.grad is None}
    assert idle == set()


def test_a_clip_without_instances_has_a_loss() -> None:
    terms = objective("seqformer-tiny")(*batch(0))
    assert all(bool(term.isfinite()) for term in terms.values())
    assert float(terms["l1"]) == float(terms["dice"]) == 0.0 < float(terms["classes"])


@pytest.mark.parametrize("weights", [{"dice": -1.0}, {"temperature": 0.0}])
def test_weights_that_make_no_sense_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="objective"):
        SeqFormerLoss(**weights)


def test_the_papers_schedules_are_shipped() -> None:
    taformer, seqformer = load_config("taformer"), load_config("seqformer")
    assert (taformer.schedule.epochs, taformer.schedule.milestones) == (6, (3, 5))
    assert (taformer.optimizer.learning_rate, taformer.optimizer.weight_decay) == (1e-4, 1e-4)
    assert (taformer.clip.length, taformer.data.batch_size) == (5, 16)
    assert (seqformer.schedule.epochs, seqformer.optimizer.learning_rate) == (12, 2e-4)
    assert load_config("taformer-coco").schedule.epochs == 24
    for config, contrastive in ((taformer, 1.0), (seqformer, 0.0)):
        weights = from_table(SeqFormerLoss, config.objective, "objective")
        assert weights == SeqFormerLoss(contrastive=contrastive)
