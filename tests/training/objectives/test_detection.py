"""The detector's loss: which cells learn an object, and what the others are told."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mobilevis.models.backbones.yolox import CellFeatures
from mobilevis.training.objectives.boxes import box_iou
from mobilevis.training.objectives.detection import (
    CellPredictions,
    Grid,
    assign_cells,
    cell_grid,
    detection_losses,
    pad_objects,
    unknown_cells,
)
from mobilevis.training.objectives.matcher import Target

SIDE = 8  # cells of the one level; masks have twice as many
CLASSES = 3


def target(*objects: tuple[int, tuple[int, int, int, int]]) -> Target:
    """Objects of (class, x0, y0, x1, y1 in cells of the mask, of which there are 16 a side)."""
    masks = torch.zeros(len(objects), 2 * SIDE, 2 * SIDE)
    for mask, (_, (x0, y0, x1, y1)) in zip(masks, objects):
        mask[y0:y1, x0:x1] = 1
    labels = torch.tensor([label for label, _ in objects], dtype=torch.int64)
    return Target(labels, masks, torch.arange(len(objects)))


def level(class_logits: Tensor, objectness: Tensor) -> CellFeatures:
    tower = torch.zeros(len(objectness), 1, SIDE, SIDE)
    return CellFeatures(tower, tower, tower, class_logits, torch.zeros_like(tower), objectness)


def flat_level(batch: int = 1, class_logit: float = -4.0, objectness: float = -4.0) -> CellFeatures:
    """Every cell alike."""
    return level(
        torch.full((batch, CLASSES, SIDE, SIDE), class_logit), torch.full((batch, 1, SIDE, SIDE), objectness)
    )


def cell_boxes(half: float = 0.25, batch: int = 1) -> Tensor:
    """(B, A, 4): each cell's box has half as many sides around its centre."""
    centres = cell_grid([flat_level()]).centres
    return torch.cat([centres - half, centres + half], dim=1).expand(batch, -1, 4).contiguous()


def assign(boxes: Tensor, scores: Tensor, *targets: Target) -> Tensor:
    """With logits of scores (B, A, C) and objectness 1."""
    predictions = CellPredictions(scores.logit(1e-6), torch.full(scores.shape[:2], 20.0), boxes)
    return assign_cells(predictions, cell_grid([flat_level()]), pad_objects(targets))


def even(batch: int = 1) -> Tensor:
    return torch.full((batch, SIDE * SIDE, CLASSES), 0.1)


def test_cells_lie_row_by_row_at_their_centres():
    grid = cell_grid([flat_level()])
    assert grid.centres[:2].tolist() == [[1 / 16, 1 / 16], [3 / 16, 1 / 16]]
    assert grid.sizes[0].tolist() == [1 / 8, 1 / 8]


def test_an_object_has_as_many_cells_as_their_ious_add_up_to():
    boxes = cell_boxes()
    one = target((1, (4, 4, 12, 12)))  # half of each side, about the centre
    owners = assign(boxes, even(), one)[0]
    # The ten best boxes are shifted by at most two cells.
    truth = torch.tensor([[0.25, 0.25, 0.75, 0.75]])
    ious = box_iou(truth, boxes[0])[0].sort(descending=True).values
    assert int((owners == 0).sum()) == int(ious[:10].sum())


def test_its_cells_are_those_of_least_cost():
    scores = even()
    scores[0, 27, 1] = 0.9  # row 3, column 3: one of the four about the centre
    owners = assign(
        torch.tensor([[0.25, 0.25, 0.35, 0.35]]).expand(1, 64, 4), scores, target((1, (4, 4, 12, 12)))
    )
    assert torch.nonzero(owners[0] >= 0).flatten().tolist() == [27]


def test_a_cell_far_from_an_object_never_learns_it():
    boxes = torch.tensor([[0.0, 0.0, 0.125, 0.125]]).expand(1, 64, 4).contiguous()
    owners = assign(boxes, even(), target((0, (0, 0, 2, 2))))[0].view(SIDE, SIDE)
    assert bool((owners[:3, :3] == 0).any())
    assert not bool((owners[4:] >= 0).any() or (owners[:, 4:] >= 0).any())


def test_a_cell_that_two_objects_want_learns_the_one_of_less_cost():
    scores = even()
    scores[0, :, 2] = 0.9
    twins = target((0, (4, 4, 12, 12)), (2, (4, 4, 12, 12)))
    owners = assign(cell_boxes(), scores, twins)[0]
    assert set(owners.tolist()) == {-1, 1}


def test_frames_are_assigned_apart_from_each_other():
    pair = (target((0, (4, 4, 12, 12)), (1, (0, 0, 4, 4))), target((2, (8, 8, 16, 16))))
    torch.manual_seed(0)
    scores = torch.rand(2, SIDE * SIDE, CLASSES)
    together = assign(cell_boxes(batch=2), scores, *pair)
    alone = [assign(cell_boxes(), scores[i : i + 1], pair[i])[0] for i in range(2)]
    assert together.tolist() == [owners.tolist() for owners in alone]


def test_a_frame_without_objects_teaches_background():
    losses = detection_losses([flat_level()], cell_boxes(), [target()])
    assert float(losses["class"]) == float(losses["box"]) == 0.0
    assert float(losses["objectness"]) == pytest.approx(64 * math.log1p(math.exp(-4.0)), rel=1e-5)


def test_a_perfect_detector_has_no_loss():
    boxes = torch.full((1, 64, 4), -1.0)
    boxes[0, 27] = torch.tensor([0.25, 0.25, 0.75, 0.75])
    classes, objectness = torch.full((1, CLASSES, 8, 8), -30.0), torch.full((1, 1, 8, 8), -30.0)
    classes[0, 1, 3, 3] = objectness[0, 0, 3, 3] = 30.0
    losses = detection_losses([level(classes, objectness)], boxes, [target((1, (4, 4, 12, 12)))])
    assert {name: round(float(loss), 6) for name, loss in losses.items()} == {
        "class": 0.0,
        "objectness": 0.0,
        "box": 0.0,
    }


def unknown(levels: CellFeatures, *targets: Target) -> Tensor:
    predictions = CellPredictions(
        levels.class_logits.flatten(2).transpose(1, 2), levels.objectness.flatten(1), cell_boxes()
    )
    return unknown_cells(predictions, cell_grid([levels]), targets)[0].view(SIDE, SIDE)


def sees(label: int, row: int, column: int) -> CellFeatures:
    """The detector is sure of an object of a class in one cell."""
    seen = flat_level()
    seen.class_logits[0, label, row, column] = seen.objectness[0, 0, row, column] = 4.0
    return seen


def test_where_every_class_is_labelled_all_cells_are_known():
    assert not bool(unknown(sees(2, 1, 5), target()).any())


def test_what_looks_like_an_unlabelled_class_is_unknown():
    some = replace(target(), labelled=torch.tensor([True, True, False]))
    assert torch.nonzero(unknown(sees(2, 1, 5), some)).tolist() == [[1, 5]]
    assert not bool(unknown(sees(1, 1, 5), some).any())


def test_what_lies_in_a_crowd_is_unknown():
    crowd = torch.zeros(16, 16, dtype=torch.bool)
    crowd[2:4, 10:12] = True
    assert torch.nonzero(unknown(flat_level(), replace(target(), crowd=crowd))).tolist() == [[1, 5]]


def gradients(levels: CellFeatures, *targets: Target) -> tuple[Tensor, Tensor]:
    classes, objectness = (x.clone().requires_grad_() for x in (levels.class_logits, levels.objectness))
    sum(detection_losses([level(classes, objectness)], cell_boxes(), targets).values()).backward()
    return classes.grad[0], objectness.grad[0, 0]


def test_unlabelled_classes_are_never_taught_to_be_absent():
    some = replace(target((0, (4, 4, 12, 12))), labelled=torch.tensor([True, True, False]))
    classes, objectness = gradients(sees(2, 7, 0), some)
    assert not bool(classes[2].any())
    assert bool(classes[1].any())
    assert float(objectness[7, 0]) == 0.0
    assert float(objectness[0, 7]) > 0.0


def test_an_object_is_learned_also_where_a_crowd_is():
    crowded = replace(target((0, (4, 4, 12, 12))), crowd=torch.ones(16, 16, dtype=torch.bool))
    _, objectness = gradients(flat_level(), crowded)
    assert bool((objectness < 0).any())
    assert not bool((objectness > 0).any())


def test_a_step_draws_the_boxes_to_their_object():
    def loss(boxes: Tensor) -> Tensor:
        return detection_losses([flat_level()], boxes, [target((0, (4, 4, 12, 12)))])["box"]

    boxes = cell_boxes(half=0.2).requires_grad_()
    before = loss(boxes)
    (gradient,) = torch.autograd.grad(before, boxes)
    assert loss(boxes - 0.01 * gradient).item() < before.item() - 0.005


def test_positions_are_those_of_the_input_whatever_its_shape():
    wide = CellFeatures(*(x[:, :, :4] for x in flat_level()))
    grid = cell_grid([wide])
    assert isinstance(grid, Grid)
    assert grid.centres[-1].tolist() == [15 / 16, 7 / 8]
