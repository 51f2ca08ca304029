"""EfficientVIS's training: one-to-one matching of tracklets (Eq. 4–5) and correspondence learning (§3.3).

A sample of 2·T frames is a pair of clips. The first clip is matched in every iteration, as in Sparse R-CNN;
its last queries, averaged over time, start the second clip, whose instances keep the queries that the first
clip's last iteration gave them. A sample of T frames is one clip, without correspondence learning.

The paper does not say what becomes of an instance that only the second clip shows: it is matched there, to
the queries that the first clip left free. And it crops no masks: here, as in QueryInst, predicted masks and
ground truth are compared inside the predicted boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevis.models.blocks.roi import roi_align
from mobilevis.models.efficientvis.efficientvis import ClipPrediction, EfficientVIS
from mobilevis.training.objectives.base import LossWeights, Objective
from mobilevis.training.objectives.boxes import generalised_iou
from mobilevis.training.objectives.clip_targets import ClipTarget, clip_target
from mobilevis.training.objectives.criterion import instance_count
from mobilevis.training.objectives.losses import dice_loss, focal_loss, pixel_loss
from mobilevis.training.objectives.matcher import Assignment, Target, assign


@dataclass(frozen=True)
class EfficientVISLoss(LossWeights):
    """Weights of the terms: Sparse R-CNN's and QueryInst's, and ours for what the paper adds to them.

    Attributes:
        classes: of the focal loss, and of the class probability in the matching cost.
        l1: of the boxes' corners, in loss and cost.
        giou: of the boxes' generalised IoU, in loss and cost.
        dice: of the masks' dice loss in the frames that show the instance.
        pixel: of the masks' binary cross-entropy in all frames, which empties those that do not.
        mask_iou: of the masks' IoU in the cost.
    """

    classes: float = 2.0
    l1: float = 5.0
    giou: float = 2.0
    dice: float = 8.0
    pixel: float = 2.0
    mask_iou: float = 2.0


class EfficientVISObjective(Objective):
    """Clips of T frames, or pairs of them.

    Args:
        model: the network; its configuration says T.
        weights: of the terms.
        length: frames of a sample.

    Raises:
        ValueError: a sample is neither a clip nor a pair.
    """

    model: EfficientVIS
    weights: EfficientVISLoss

    def __init__(self, model: EfficientVIS, weights: EfficientVISLoss, length: int) -> None:
        super().__init__(model, weights, length)
        T = model.config.clip_length
        if length not in (T, 2 * T):
            raise ValueError(
                f"clip.length is {length}; give {T}, the model's clip_length, or {2 * T} for pairs of clips"
            )

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Losses of B samples, summed over the iterations.

        Args:
            frames: (F·B, 3, H, W), the first frames of all samples, then the second ones, and so on.
            targets: F·B, in the same order.

        Returns:
            ``classes``, ``l1``, ``giou``, ``dice`` and ``pixel``, and for pairs the same of the second clip
            with ``carried_`` before the name; weighted, and divided by the number of instances times T.
        """
        samples = len(targets) // self.length
        levels = [level.unflatten(0, (self.length, samples)) for level in self.model.encode(frames)]
        terms: dict[str, Tensor] = {}
        entries = 0
        for sample in range(samples):
            target = clip_target(targets[sample::samples])
            entries += len(target) * self.model.config.clip_length
            for name, term in self._sample_terms([level[:, sample] for level in levels], target).items():
                terms[name] = terms.get(name, 0) + term
        count = instance_count(entries, frames.device)
        return {name: term / count for name, term in terms.items()}

    def _sample_terms(self, levels: list[Tensor], target: ClipTarget) -> dict[str, Tensor]:
        T = self.model.config.clip_length
        halves = [slice(start, start + T) for start in range(0, self.length, T)]
        if len(halves) == 2 and float(torch.rand(())) < 0.5:
            halves.reverse()  # the order of the two clips is random (§3.3, footnote 2)
        first = target[halves[0]]
        predictions = self.model([level[halves[0]] for level in levels])
        visible = first.present.any(0).nonzero().flatten()
        free = torch.arange(self.model.config.num_queries, device=visible.device)
        rounds = [(p, assign_among(match_costs(p, first, self.weights), free, visible)) for p in predictions]
        terms = self._iteration_terms(rounds, first)
        if len(halves) == 2:
            carried = predictions[-1].interaction.queries.mean(0, keepdim=True)
            later = self._carried_terms(levels, target, halves[1], carried, rounds[-1][1])
            terms |= {f"carried_{name}": term for name, term in later.items()}
        return terms

    def _carried_terms(
        self, levels: list[Tensor], target: ClipTarget, half: slice, queries: Tensor, given: Assignment
    ) -> dict[str, Tensor]:
        """The second clip: instances of the first keep their queries, new ones take those that are free."""
        second = target[half]
        predictions = self.model([level[half] for level in levels], queries)
        free = _without(self.model.config.num_queries, given.queries)
        new = _without(len(target), given.instances)
        new = new[second.present[:, new].any(0)]
        rounds = []
        for prediction in predictions:
            found = assign_among(match_costs(prediction, second, self.weights), free, new)
            joined = Assignment(
                torch.cat([given.queries, found.queries]), torch.cat([given.instances, found.instances])
            )
            rounds.append((prediction, joined))
        return self._iteration_terms(rounds, second)

    def _iteration_terms(
        self, rounds: Sequence[tuple[ClipPrediction, Assignment]], target: ClipTarget
    ) -> dict[str, Tensor]:
        terms = [clip_terms(prediction, target, assignment) for prediction, assignment in rounds]
        return {name: getattr(self.weights, name) * sum(term[name] for term in terms) for name in terms[0]}


def _without(count: int, taken: Tensor) -> Tensor:
    """The indices below ``count`` that are not taken, ascending."""
    free = torch.ones(count, dtype=torch.bool, device=taken.device)
    free[taken] = False
    return free.nonzero().flatten()


def assign_among(costs: Tensor, queries: Tensor, instances: Tensor) -> Assignment:
    """The assignment σ̂ of least cost (Eq. 4) between some queries and some instances.

    Args:
        costs: (N, G), of all.
        queries: (n,) int64, queries to choose from.
        instances: (g,) int64, instances to assign.

    Raises:
        FloatingPointError: the predictions are not finite, so that no assignment exists.
    """
    found = assign(costs[queries][:, instances])
    return Assignment(queries[found.queries], instances[found.instances])


@torch.no_grad()
def match_costs(prediction: ClipPrediction, target: ClipTarget, weights: EfficientVISLoss) -> Tensor:
    """L_match of Eq. 4 for every query and instance, averaged over the clip's frames: (N, G).

    In a frame that does not show the instance the wanted class is none, whose probability under a sigmoid is
    1 − p.
    """
    probability = prediction.interaction.class_logits.float().sigmoid()[:, :, target.labels]  # (T, N, G)
    present = target.present[:, None].to(probability)
    wanted = probability * present + (1 - probability) * (1 - present)
    boxes, truth = prediction.interaction.boxes.float()[:, :, None], target.boxes[:, None]
    l1 = (boxes - truth).abs().sum(-1)
    giou = 1 - generalised_iou(boxes, truth)
    masks = prediction.mask_logits.float().sigmoid().flatten(2).unsqueeze(3)  # (T, N, m², 1)
    crops = crop_masks(target.masks, prediction)  # (T, N, m², G)
    overlap = (masks * crops).sum(2)
    iou = overlap / (masks.sum(2) + crops.sum(2) - overlap).clamp(min=1e-4)
    seen = weights.l1 * l1 + weights.giou * giou - weights.mask_iou * iou
    return (present * seen - weights.classes * wanted).mean(0)


def crop_masks(masks: Tensor, prediction: ClipPrediction) -> Tensor:
    """Masks as a prediction's boxes show them.

    Args:
        masks: (T, G, h, w).
        prediction: of the same frames, with masks of m × m.

    Returns:
        (T, N, m², G).
    """
    boxes = prediction.interaction.boxes.detach().float()
    return roi_align(masks.permute(0, 2, 3, 1), boxes, prediction.mask_logits.shape[-1])


def clip_terms(prediction: ClipPrediction, target: ClipTarget, assignment: Assignment) -> dict[str, Tensor]:
    """The terms of Eq. 5 for one clip and iteration, unweighted sums over frames and instances.

    Args:
        prediction: of a clip.
        target: its instances.
        assignment: of K queries; all others learn to be background.
    """
    queries, instances = assignment.queries, assignment.instances
    logits = prediction.interaction.class_logits.float()
    present = target.present[:, instances].to(logits)  # (T, K)
    classes = torch.zeros_like(logits)
    wanted = F.one_hot(target.labels[instances], logits.shape[2])
    classes[:, queries] = wanted * present.unsqueeze(2)
    boxes, truth = prediction.interaction.boxes.float()[:, queries], target.boxes[:, instances]
    masks = prediction.mask_logits.float()[:, queries].flatten(2)  # (T, K, m²)
    crops = crop_masks(target.masks, prediction)[:, queries, :, instances].transpose(0, 1)
    shown = present.flatten()
    return {
        "classes": focal_loss(logits, classes),
        "l1": ((boxes - truth).abs().sum(-1) * present).sum(),
        "giou": ((1 - generalised_iou(boxes, truth)) * present).sum(),
        "dice": (dice_loss(masks.flatten(0, 1), crops.flatten(0, 1)) * shown).sum(),
        "pixel": pixel_loss(masks.flatten(0, 1), crops.flatten(0, 1)).sum(),
    }
