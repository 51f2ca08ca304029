"""YOLOX's loss for classes, objectness and boxes of cells (Ge et al., "YOLOX", 2021, §2 and its code).

SimOTA gives each object the cells of least cost, as many as their boxes' IoUs add up to; these learn the
box, and the class with their IoU as a soft target. All other cells learn to be background, but for those of
which the annotations say nothing: in crowds, and where the detector sees a class that is not labelled there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mobilevis.models.backbones.yolox import CellFeatures
from mobilevis.training.objectives.boxes import box_iou, mask_boxes, paired_iou
from mobilevis.training.objectives.matcher import Target

# The constants of YOLOX's code.
MOST_CELLS = 10  # of an object
CENTRE_RADIUS = 2.5  # cells from the object's centre to those that may learn it
IOU_COST = 3.0
OUTSIDE_COST = 1e5  # of a cell that is not both near the centre and inside the box
BOX_WEIGHT = 5.0
# A score of an unlabelled class that is taken for such an object: half of what is shown as found.
LEAST_SEEN = 0.05
_LEAST = 1e-7


class CellPredictions(NamedTuple):
    """What the detector says of A cells: class logits (B, A, C), objectness logits (B, A), and boxes
    (B, A, 4), x0, y0, x1, y1 as fractions of the input."""

    classes: Tensor
    objectness: Tensor
    boxes: Tensor

    @property
    def scores(self) -> Tensor:
        """(B, A, C) = σ(class)·σ(objectness), without a gradient."""
        return (self.classes.sigmoid() * self.objectness.sigmoid()[..., None]).detach()


class Grid(NamedTuple):
    """Where A cells lie, as fractions of the input: centres and sizes (A, 2), x and y."""

    centres: Tensor
    sizes: Tensor


class Objects(NamedTuple):
    """Objects of B frames, padded to M a frame: labels (B, M), boxes (B, M, 4), areas in cells of the masks
    (B, M), and which exist (B, M)."""

    labels: Tensor
    boxes: Tensor
    areas: Tensor
    exist: Tensor


def detection_losses(
    levels: Sequence[CellFeatures], boxes: Tensor, targets: Sequence[Target]
) -> dict[str, Tensor]:
    """The terms ``class``, ``objectness`` and ``box``, each a sum over cells for each positive one.

    Args:
        levels: what the head computed for B frames.
        boxes: (B, A, 4), the cells' boxes as fractions of the input.
        targets: B.
    """
    predictions = CellPredictions(
        torch.cat([level.class_logits.flatten(2) for level in levels], 2).transpose(1, 2).float(),
        torch.cat([level.objectness.flatten(1) for level in levels], 1).float(),
        boxes.float(),
    )
    grid, objects = cell_grid(levels), pad_objects(targets)
    owners = assign_cells(predictions, grid, objects)
    positive = owners >= 0
    frames, cells = torch.nonzero(positive, as_tuple=True)
    own = owners[frames, cells]
    count = max(1, len(own))
    ious = paired_iou(predictions.boxes[frames, cells], objects.boxes[frames, own])
    classes = predictions.classes[frames, cells]
    soft = torch.zeros_like(classes).scatter(1, objects.labels[frames, own][:, None], ious.detach()[:, None])
    labelled = labelled_classes(targets, classes.shape[1])[frames].float()
    class_loss = F.binary_cross_entropy_with_logits(classes, soft, weight=labelled, reduction="sum")
    told = positive | ~unknown_cells(predictions, grid, targets)
    objectness_loss = F.binary_cross_entropy_with_logits(
        predictions.objectness, positive.float(), weight=told.float(), reduction="sum"
    )
    return {
        "class": class_loss / count,
        "objectness": objectness_loss / count,
        "box": BOX_WEIGHT * (1 - ious.square()).sum() / count,
    }


def cell_grid(levels: Sequence[CellFeatures]) -> Grid:
    """All levels' cells in turn, each level row by row."""
    centres, sizes = [], []
    for level in levels:
        height, width = level.objectness.shape[-2:]
        device = level.objectness.device
        rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        size = torch.tensor([1.0 / width, 1.0 / height], device=device)
        centres.append((torch.stack([x, y], dim=-1).flatten(0, 1) + 0.5) * size)
        sizes.append(size.expand(height * width, 2))
    return Grid(torch.cat(centres), torch.cat(sizes))


def pad_objects(targets: Sequence[Target]) -> Objects:
    """The targets' objects with their tight boxes; those of which nothing is in view do not exist."""
    masks, counts = torch.cat([target.masks for target in targets]), [len(t.labels) for t in targets]
    boxes, areas = mask_boxes(masks).split(counts), masks.flatten(1).sum(1).split(counts)
    # One that does not exist in each frame keeps M positive.
    labels = pad_sequence([F.pad(target.labels, (0, 1)) for target in targets], batch_first=True)
    padded = pad_sequence([F.pad(box, (0, 0, 0, 1)) for box in boxes], batch_first=True)
    covered = pad_sequence([F.pad(area, (0, 1)) for area in areas], batch_first=True)
    return Objects(labels, padded, covered, padded[..., 2] > padded[..., 0])


@torch.no_grad()
def assign_cells(predictions: CellPredictions, grid: Grid, objects: Objects) -> Tensor:
    """SimOTA: the object that each cell learns, (B, A) int64, -1 for none."""
    ious = box_iou(objects.boxes, predictions.boxes)
    low, high = objects.boxes[:, :, None, :2], objects.boxes[:, :, None, 2:]
    inside = ((grid.centres > low) & (grid.centres < high)).all(-1)
    near = ((grid.centres - (low + high) / 2).abs() < CENTRE_RADIUS * grid.sizes).all(-1)
    may = (inside | near) & objects.exist[..., None]
    cost = _class_cost(predictions, objects.labels) - IOU_COST * ious.clamp(min=_LEAST).log()
    cost = (cost + OUTSIDE_COST * ~(inside & near)).masked_fill(~may, torch.inf)
    most = min(MOST_CELLS, cost.shape[2])
    counts = (ious * may).topk(most, dim=2).values.sum(2).int().clamp(min=1)
    best = cost.topk(most, dim=2, largest=False)
    chosen = (torch.arange(most, device=cost.device) < counts[..., None]) & best.values.isfinite()
    wanted = torch.zeros_like(may).scatter(2, best.indices, chosen)
    least = cost.masked_fill(~wanted, torch.inf).min(dim=1)
    return torch.where(least.values.isfinite(), least.indices, -1)


def _class_cost(predictions: CellPredictions, labels: Tensor) -> Tensor:
    """(B, M, A): cross-entropy of √score with each object's class alone, over all classes."""
    p = predictions.scores.sqrt().clamp(_LEAST, 1 - _LEAST).transpose(1, 2)  # (B, C, A)
    absent = -torch.log1p(-p)
    own = labels[..., None].expand(-1, -1, p.shape[2])
    return absent.sum(1, keepdim=True) - absent.gather(1, own) - p.log().gather(1, own)


def labelled_classes(targets: Sequence[Target], num_classes: int) -> Tensor:
    """(B, C) bool: of which classes every object is annotated."""
    every = torch.ones(num_classes, dtype=torch.bool, device=targets[0].labels.device)
    return torch.stack([every if target.labelled is None else target.labelled for target in targets])


def unknown_cells(predictions: CellPredictions, grid: Grid, targets: Sequence[Target]) -> Tensor:
    """(B, A) bool: cells that may show what nobody annotated: in a crowd, or of an unlabelled class."""
    unlabelled = ~labelled_classes(targets, predictions.classes.shape[2])
    unknown = (predictions.scores * unlabelled[:, None]).amax(2) >= LEAST_SEEN
    for frame, target in enumerate(targets):
        if target.crowd is not None:
            x, y = (grid.centres * torch.tensor(target.crowd.shape[::-1]).to(grid.centres)).long().unbind(1)
            unknown[frame] |= target.crowd[y, x]
    return unknown
