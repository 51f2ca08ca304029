"""The loss of dense kernels: masks of the detector's best cells for each object; the detector may stay.

For masks only what is annotated is learned from: nothing is called background, so sets that label some
classes only, and crowds, which the sources leave out, do no harm. What the detector learns, where it does, is
in ``detection``. An object's positives are the four cells of best box IoU × √score of its class, as in SimOTA
without its dynamic count. Their masks learn cross-entropy inside the box enlarged by 15 %, where another
object may count more, and dice; their embeddings to be alike, and unlike those of the sample's other objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mobilevis.models.blocks.resampling import resize
from mobilevis.models.mobileinst.cells import Cells
from mobilevis.models.mobileinst.dense import DenseMobileInst
from mobilevis.training.objectives.base import Objective
from mobilevis.training.objectives.boxes import box_iou
from mobilevis.training.objectives.detection import detection_losses, pad_objects
from mobilevis.training.objectives.losses import dice_score
from mobilevis.training.objectives.matcher import Target
from mobilevis.training.objectives.propagation import PropagationLoss, PropagationObjective

CELLS_PER_OBJECT = 4
LEAST_IOU = 0.4
# Added to the score, so that an object that the detector misses still has its best boxes.
LEAST_SCORE = 0.1
LEAST_CELLS = 2.5  # at stride 4, 40 pixels: there is no shape to learn from less
BOX_MARGIN = 0.15
CONTRAST_SCALE = 12.0  # of cosines, 1 / temperature


@dataclass(frozen=True)
class DenseLoss(PropagationLoss):
    """Weights of the masks' loss, and how many objects of a frame are learned from at a time.

    Attributes:
        pixel: weight of the masks' cross-entropy, the mean over the enlarged box.
        dice: weight of their dice loss.
        neighbour: how much more a pixel of another object counts in the cross-entropy: a mask must not join
            two.
        boundary: how much more a pixel counts that its object's edge is next to.
        contrast: weight of the loss of embeddings: cells of one object alike, of a sample's others not.
        detect: weight of the detector's own loss, for classes of one's own; at 0 backbone and head stay.
        objects: most objects of a frame; their masks' memory and time grow with it.
    """

    pixel: float = 1.0
    dice: float = 1.0
    neighbour: float = 0.0
    boundary: float = 0.0
    contrast: float = 0.5
    detect: float = 0.0
    objects: int = 10


class Positives(NamedTuple):
    """P cells that learn an object: index of the frame, of the cell in it, and of the object among those of
    all frames in turn, (P,) int64 each."""

    frames: Tensor
    cells: Tensor
    objects: Tensor


class DenseObjective(Objective):
    """The training loss of frames, alone or in clips.

    Args:
        model: the network; its detector's parameters are frozen unless ``weights.detect`` is positive.
        weights: of the terms.
        length: frames of a sample; the identities of its targets link them in the contrast.
    """

    model: DenseMobileInst
    weights: DenseLoss

    def __init__(self, model: DenseMobileInst, weights: DenseLoss, length: int = 1) -> None:
        super().__init__(model, weights, length)
        if not weights.detect:
            self.freeze(model.backbone, model.head)

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """(F·B, 3, H, W) frames and their targets to the weighted terms, whose sum is the loss."""
        model = self.model
        weights = self.weights
        with nullcontext() if weights.detect else torch.no_grad():
            features = model.backbone(frames)
            levels = model.head(features[1:])
        cells = model.read(levels)
        positives = choose_cells(cells, targets, weights.objects)
        maps = [level[:3] for level in levels]
        kernels, embeddings = model.describe_cells(maps, cells.boxes, positives.frames, positives.cells)
        contrast = contrast_loss(
            embeddings,
            torch.cat([target.identities for target in targets])[positives.objects],
            positives.frames % (len(targets) // self.length),
        )
        terms = {"contrast": weights.contrast * contrast}
        # Without masks to learn their features are not computed: a step takes half the time.
        if weights.pixel or weights.dice:
            boxes = cells.boxes[positives.frames, positives.cells]
            mask_features = model.mask_features(features)
            pixel, dice = mask_losses(kernels, boxes, mask_features, positives, targets, weights)
            terms |= {"pixel": weights.pixel * pixel, "dice": weights.dice * dice}
        if weights.detect:
            detected = detection_losses(levels, cells.boxes, targets)
            terms |= {name: weights.detect * term for name, term in detected.items()}
        return terms


def create_objective(model: DenseMobileInst, weights: DenseLoss, length: int = 1) -> Objective:
    """The objective of the propagation alone where ``weights.propagation_only`` asks for it, or of frames.

    Raises:
        ValueError: the model or the length of a sample does not fit.
    """
    return (PropagationObjective if weights.propagation_only else DenseObjective)(model, weights, length)


@torch.no_grad()
def choose_cells(cells: Cells, targets: Sequence[Target], most_objects: int) -> Positives:
    """The cells that learn each object's mask: up to four of the best box IoU × √score of its class.

    Args:
        cells: of B frames.
        targets: B.
        most_objects: of a frame; more are drawn from at random.
    """
    objects = pad_objects(targets)
    wanted = objects.exist & (objects.areas >= LEAST_CELLS)
    lot = torch.rand(wanted.shape, device=wanted.device).masked_fill(~wanted, -1.0)
    wanted &= lot.argsort(1, descending=True).argsort(1) < most_objects
    iou = box_iou(cells.boxes, objects.boxes)
    labels = objects.labels[:, None].expand(-1, cells.scores.shape[1], -1)
    scores = cells.scores.gather(2, labels)
    quality = iou * (scores + LEAST_SCORE).sqrt() * (iou > LEAST_IOU) * wanted[:, None]
    best = quality.topk(min(CELLS_PER_OBJECT, quality.shape[1]), dim=1)
    frames, rank, column = torch.nonzero(best.values > 0, as_tuple=True)
    ends = torch.tensor([len(target.labels) for target in targets], device=frames.device).cumsum(0)
    first = torch.cat([ends.new_zeros(1), ends])[frames]
    return Positives(frames, best.indices[frames, rank, column], first + column)


def contrast_loss(embeddings: Tensor, identities: Tensor, samples: Tensor) -> Tensor:
    """Supervised contrast (Khosla et al., NeurIPS 2020, Eq. 2) among the cells of each sample.

    Args:
        embeddings: (P, E), of cells.
        identities: (P,), the object that each shows; unique within a sample.
        samples: (P,), the sample that each belongs to.

    Returns:
        A scalar, the mean over cells that have one of their own object and one of another to compare with;
        0, with a gradient, where there are none.
    """
    unit = F.normalize(embeddings.float(), dim=1)
    compared = (samples[:, None] == samples[None]) & ~torch.eye(
        len(unit), dtype=torch.bool, device=unit.device
    )
    same = compared & (identities[:, None] == identities[None])
    judged = same.any(1) & (compared & ~same).any(1)
    if not bool(judged.any()):
        return 0.0 * embeddings.sum()
    with torch.autocast(unit.device.type, enabled=False):
        cosines = unit @ unit.T
    logits = (CONTRAST_SCALE * cosines).masked_fill(~compared, torch.finfo(unit.dtype).min)
    likelihood = logits.log_softmax(1).masked_fill(~same, 0.0).sum(1) / same.sum(1).clamp(min=1)
    return -likelihood[judged].mean()


def mask_losses(
    kernels: Tensor,
    boxes: Tensor,
    mask_features: Tensor,
    positives: Positives,
    targets: Sequence[Target],
    weights: DenseLoss,
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy and dice of the positives' masks; 0, with a gradient, where there are none.

    Args:
        kernels: (P, D + 5).
        boxes: (P, 4).
        mask_features: (B, D + 5, h, w).
        positives: P, of B frames.
        targets: B.
        weights: of the terms.
    """
    if not len(kernels):
        nothing = 0.0 * (kernels.sum() + mask_features.sum())
        return nothing, nothing
    masks = masks_of(kernels, positives.frames, mask_features)
    truth = torch.cat([target.masks for target in targets])[positives.objects]
    if masks.shape != truth.shape:  # features of stride 8
        masks = resize(masks[None], truth.shape[-2:])[0]
    everything = torch.stack([target.masks.sum(0) for target in targets])
    others = (everything[positives.frames] - truth).clamp(max=1)
    inside = _cover_boxes(boxes.detach(), masks.shape[-2:])
    counted = 1 + weights.neighbour * others * (1 - truth)
    if weights.boundary:
        counted = counted + weights.boundary * edges_of(truth)
    weight = inside * counted
    cross_entropy = F.binary_cross_entropy_with_logits(masks, truth, reduction="none") * weight
    pixel = cross_entropy.flatten(1).sum(1) / weight.flatten(1).sum(1).clamp(min=1)
    dice = dice_score((masks.sigmoid() * inside).flatten(1), (truth * inside).flatten(1))
    return pixel.mean(), (1 - dice).mean()


def edges_of(masks: Tensor) -> Tensor:
    """Where a cell or one of its eight neighbours is across a mask's edge: (P, h, w) → (P, h, w), 0 to 1."""
    widest, narrowest = (sign * F.max_pool2d(sign * masks[:, None], 3, 1, 1)[:, 0] for sign in (1, -1))
    return widest - narrowest


def masks_of(kernels: Tensor, frames: Tensor, mask_features: Tensor) -> Tensor:
    """Mask logits of kernels of several frames, in one product.

    Args:
        kernels: (P, K), in the order of their frames.
        frames: (P,) int64, ascending.
        mask_features: (B, K, h, w).

    Returns:
        (P, h, w) float32; also inside ``autocast``, whose 8 bits cannot say where a pixel is.
    """
    counts = torch.bincount(frames, minlength=len(mask_features)).tolist()
    padded = pad_sequence(kernels.float().split(counts), batch_first=True)
    with torch.autocast(kernels.device.type, enabled=False):
        logits = torch.bmm(padded, mask_features.float().flatten(2))
    places = torch.cat([torch.arange(count, device=frames.device) for count in counts])
    return logits[frames, places].unflatten(1, mask_features.shape[-2:])


def _cover_boxes(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Which cells lie in boxes (P, 4) enlarged by 15 % and a cell a side: (P, h, w), 0 or 1."""
    lines = []
    for axis, length in ((1, size[0]), (0, size[1])):
        centres = (torch.arange(length, device=boxes.device) + 0.5) / length
        low, high = boxes[:, axis], boxes[:, axis + 2]
        margin = BOX_MARGIN * (high - low) + 1.0 / length
        lines.append((centres > (low - margin)[:, None]) & (centres < (high + margin)[:, None]))
    return (lines[0][:, :, None] & lines[1][:, None, :]).float()
