"""The dense loss: which cells learn an object's mask, and from what."""

from __future__ import annotations

import pytest
import torch

from mobilevis.models.mobileinst.cells import Cells
from mobilevis.models.mobileinst.dense import DenseMobileInst
from mobilevis.models.registry import create_model
from mobilevis.training.objectives.boxes import box_iou
from mobilevis.training.objectives.dense import (
    DenseLoss,
    DenseObjective,
    Positives,
    choose_cells,
    contrast_loss,
    edges_of,
    mask_losses,
    masks_of,
)
from mobilevis.training.objectives.matcher import Target


def target(*objects: tuple[int, tuple[int, int, int, int]]) -> Target:
    """A frame of 16×16 cells; each object is (class, its x0, y0, x1, y1 in cells)."""
    masks = torch.zeros(len(objects), 16, 16)
    for mask, (_, (x0, y0, x1, y1)) in zip(masks, objects):
        mask[y0:y1, x0:x1] = 1
    labels = torch.tensor([label for label, _ in objects], dtype=torch.int64)
    return Target(labels, masks, torch.arange(len(objects)))


def cells(boxes: list[tuple[float, ...]], scores: list[tuple[float, ...]]) -> Cells:
    return Cells(torch.tensor([scores]), torch.tensor([boxes]) / 16)


OBJECT = (4.0, 4.0, 8.0, 8.0)
NEAR = (4.0, 4.0, 9.0, 8.0)
FAR = (0.0, 0.0, 3.0, 3.0)


def test_the_cells_whose_boxes_lie_on_the_object_learn_its_mask():
    found = choose_cells(cells([FAR, OBJECT, NEAR], [(0.9, 0.0)] * 3), [target((0, (4, 4, 8, 8)))], 10)
    assert sorted(found.cells.tolist()) == [1, 2]
    assert found.objects.tolist() == found.frames.tolist() == [0, 0]


def test_of_many_cells_the_four_best_by_box_and_score_learn():
    scores = [(0.1 * i, 0.0) for i in range(6)]
    found = choose_cells(cells([OBJECT] * 6, scores), [target((0, (4, 4, 8, 8)))], 10)
    assert sorted(found.cells.tolist()) == [2, 3, 4, 5]


def test_an_object_that_the_detector_misses_has_its_best_boxes_all_the_same():
    found = choose_cells(cells([OBJECT], [(0.0, 0.0)]), [target((1, (4, 4, 8, 8)))], 10)
    assert found.cells.tolist() == [0]


def test_objects_too_small_to_have_a_shape_are_left_out():
    found = choose_cells(cells([(4.0, 4.0, 5.0, 6.0)], [(0.9, 0.0)]), [target((0, (4, 4, 5, 6)))], 10)
    assert not len(found.cells)


def test_a_frame_s_objects_are_drawn_from_where_they_are_many():
    crowded = target((0, (0, 0, 4, 4)), (0, (4, 4, 8, 8)), (0, (8, 8, 12, 12)))
    boxes = [(0.0, 0.0, 4.0, 4.0), OBJECT, (8.0, 8.0, 12.0, 12.0)]
    found = choose_cells(cells(boxes, [(0.9, 0.0)] * 3), [crowded], 2)
    assert len(set(found.objects.tolist())) == 2
    assert found.objects.tolist() == found.cells.tolist()


def contrast(embeddings: list[list[float]], identities: list[int], samples: list[int]) -> float:
    return float(contrast_loss(torch.tensor(embeddings), torch.tensor(identities), torch.tensor(samples)))


def test_embeddings_of_an_object_are_to_be_alike_and_unlike_the_others():
    told, mixed = [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]
    assert contrast(told, [7, 7, 8], [0, 0, 0]) < 1e-3
    assert contrast(mixed, [7, 7, 8], [0, 0, 0]) > 10.0


def test_only_objects_of_one_sample_are_rivals():
    assert contrast([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]], [7, 7, 8], [0, 0, 1]) == 0.0


def test_a_positive_has_its_object_s_identity():
    crowd = target((0, (0, 0, 4, 4)), (0, (4, 4, 8, 8)))
    found = choose_cells(cells([OBJECT, OBJECT], [(0.9, 0.0)] * 2), [crowd], 10)
    assert crowd.identities[found.objects].tolist() == [1, 1]


def test_each_frame_of_a_batch_has_its_own_objects():
    one, two = target((0, (0, 0, 3, 3))), target((0, (4, 4, 8, 8)), (0, (0, 0, 3, 3)))
    frame = cells([FAR, OBJECT], [(0.9, 0.0)] * 2)
    both = Cells(*(torch.cat([numbers, numbers]) for numbers in frame))
    found = choose_cells(both, [one, two], 10)
    assert sorted(zip(*(indices.tolist() for indices in found))) == [(0, 0, 0), (1, 0, 2), (1, 1, 1)]


def test_masks_of_several_frames_are_each_kernel_s_on_its_own_frame():
    features, kernels, frames = torch.rand(3, 4, 2, 5), torch.rand(3, 4), torch.tensor([0, 2, 2])
    expected = torch.stack([torch.einsum("k,khw->hw", k, features[f]) for k, f in zip(kernels, frames)])
    torch.testing.assert_close(masks_of(kernels, frames, features), expected)


def test_iou_of_boxes():
    ious = box_iou(
        torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, 2.0, 1.0], [3.0, 3.0, 4.0, 4.0]])
    )
    assert ious.tolist() == [[0.5, 0.0]]


def test_a_mask_that_covers_another_object_costs_more_than_one_that_covers_background():
    box, pair = torch.tensor([[4.0, 4.0, 12.0, 8.0]]) / 16, target((0, (4, 4, 8, 8)), (0, (8, 4, 12, 8)))
    kernel, own = torch.zeros(1, 7), torch.zeros(1, dtype=torch.int64)
    kernel[0, 0] = 4.0
    features = torch.zeros(1, 7, 16, 16)
    features[:, 0] = 2 * (pair.masks[0] + pair.masks[1]) - 1  # foreground on both objects

    def pixel(neighbour: float) -> float:
        weights = DenseLoss(neighbour=neighbour)
        return float(mask_losses(kernel, box, features, Positives(own, own, own), [pair], weights)[0])

    assert pixel(0.0) > 0.5
    assert pixel(2.0) > 1.2 * pixel(0.0)


def test_the_edges_of_a_mask_are_a_cell_to_either_side_of_it():
    mask = torch.zeros(1, 8, 8)
    mask[0, 2:6, 2:8] = 1  # as wide as the frame at the right, where there is no edge
    expected = torch.zeros(1, 8, 8)
    expected[0, 1:7, 1:] = 1
    expected[0, 3:5, 3:] = 0
    assert torch.equal(edges_of(mask), expected)


def test_a_mask_that_is_wrong_at_its_edge_costs_more_where_edges_count():
    box, one = torch.tensor([OBJECT]) / 16, target((0, (4, 4, 8, 8)))
    kernel, own = torch.zeros(1, 7), torch.zeros(1, dtype=torch.int64)
    kernel[0, 0] = 4.0
    features = -torch.ones(1, 7, 16, 16)
    features[:, 0, 5:8, 4:8] = 1  # a row is missing

    def pixel(boundary: float) -> float:
        weights = DenseLoss(boundary=boundary)
        return float(mask_losses(kernel, box, features, Positives(own, own, own), [one], weights)[0])

    assert pixel(2.0) > 1.1 * pixel(0.0)


@pytest.fixture
def model() -> DenseMobileInst:
    torch.manual_seed(0)
    return create_model("mobileinst-yolox-nano", num_classes=2)


def sized(model: DenseMobileInst, frames: torch.Tensor) -> list[Target]:
    """Objects that are where the random detector's boxes are."""
    with torch.no_grad():
        boxes = model.encode(frames)[1]
    corners = (boxes[:, 30] * 16).round().clamp(0, 16).int().tolist()
    return [target((0, tuple(corner))) for corner in corners]


def test_masks_are_learned_and_the_detector_stays(model):
    frames = 255 * torch.rand(2, 3, 64, 64)
    objective = DenseObjective(model, DenseLoss())
    # Stride-8 boxes of random weights are some two cells of the mask wide.
    sum(objective(frames, sized(model, frames)).values()).backward()
    learned = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert learned == {"mask_branch", "cell_heads", "place_embedding"}
    assert not any(p.requires_grad for part in (model.backbone, model.head) for p in part.parameters())


def test_identity_is_taught_without_masks(model):
    frames = 255 * torch.rand(2, 3, 64, 64)
    objective = DenseObjective(model, DenseLoss(pixel=0.0, dice=0.0), length=2)
    terms = objective(frames, sized(model, frames))
    assert set(terms) == {"contrast"}
    sum(terms.values()).backward()
    learned = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert learned == {"cell_heads", "place_embedding"}


def test_the_detector_learns_where_its_loss_is_weighted(model):
    frames = 255 * torch.rand(2, 3, 64, 64)
    terms = DenseObjective(model, DenseLoss(detect=0.5))(frames, sized(model, frames))
    assert set(terms) == {"pixel", "dice", "contrast", "class", "objectness", "box"}
    sum(terms.values()).backward()
    learned = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert learned == {"backbone", "head", "mask_branch", "cell_heads", "place_embedding"}
    assert bool(model.backbone.stem.conv.weight.grad.any())


def test_frames_without_objects_cost_nothing_but_have_gradients(model):
    terms = DenseObjective(model, DenseLoss())(255 * torch.rand(1, 3, 64, 64), [target()])
    nothing = dict.fromkeys(("pixel", "dice", "contrast"), 0.0)
    assert {name: float(term) for name, term in terms.items()} == nothing
    sum(terms.values()).backward()


@pytest.mark.parametrize("mask_stride", [4, 8])
def test_a_few_steps_bring_the_loss_down(mask_stride):
    torch.manual_seed(0)
    model = create_model("mobileinst-yolox-nano", num_classes=2, mask_stride=mask_stride)
    frames = 255 * torch.rand(2, 3, 64, 64)
    targets = sized(model, frames)
    objective = DenseObjective(model, DenseLoss())
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(16):
        loss = sum(objective(frames, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[0] > 0.0
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("weights", [{"pixel": -1.0}, {"objects": -1}])
def test_weights_are_not_negative(weights):
    with pytest.raises(ValueError, match="must be ≥ 0"):
        DenseLoss(**weights)
