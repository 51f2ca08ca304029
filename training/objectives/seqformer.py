"""SeqFormer's and TAFormer's training loss: match each layer's queries to a clip's instances.

Differs from the public code in three points. Boxes are matched and learned in the frames that show the
instance; that code has an empty box for the others. The L1 cost is the loss's, not a Euclidean norm. And as
the mask targets hold coverages, the dice loss has squared denominators, see ``mask2former.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevis.models.blocks.layers import Mlp
from mobilevis.models.seqformer.seqformer import LayerPrediction, SeqFormer
from mobilevis.training.objectives.base import LossWeights, Objective
from mobilevis.training.objectives.boxes import generalised_iou
from mobilevis.training.objectives.clip_targets import ClipTarget, clip_target
from mobilevis.training.objectives.criterion import instance_count
from mobilevis.training.objectives.losses import dice_loss, focal_loss
from mobilevis.training.objectives.matcher import Assignment, Target, assign

ALPHA, GAMMA = 0.25, 2.0  # of the focal loss, and of the class cost that follows it


@dataclass(frozen=True)
class SeqFormerLoss(LossWeights):
    """Weights of the terms (TAFormer, Eq. 9 and §4.1); of classes and boxes also in the matching cost.

    Attributes:
        classes: of the focal loss of classes.
        l1: of the boxes' L1 distance, centre and sides as shares of the frame.
        giou: of the boxes' generalised IoU.
        dice: of the dice loss of an instance's masks, over the whole clip at once.
        focal: of the focal loss of mask pixels.
        contrastive: of TAFormer's instance-level contrastive loss, at every decoder layer; 0 for SeqFormer.
        temperature: τ of Eq. 7, which the paper does not give.
    """

    classes: float = 2.0
    l1: float = 5.0
    giou: float = 2.0
    dice: float = 5.0
    focal: float = 2.0
    contrastive: float = 0.0
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature == 0:
            raise ValueError("objective.temperature must be above 0")


class SeqFormerObjective(Objective):
    """The loss of clips, summed over the decoder's layers.

    Args:
        model: the network.
        weights: of the terms.
        length: T, frames of a clip.
    """

    model: SeqFormer
    weights: SeqFormerLoss

    def __init__(self, model: SeqFormer, weights: SeqFormerLoss, length: int) -> None:
        super().__init__(model, weights, length)
        dim = model.config.dim
        self.contrastive_head = Mlp(dim, dim, dim) if weights.contrastive else None

    def forward(self, frames: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Losses of B clips.

        Args:
            frames: (T·B, 3, H, W), the first frames of all clips, then the second ones, and so on.
            targets: T·B, in the same order.

        Returns:
            ``classes``, ``l1``, ``giou``, ``dice`` and ``focal``, divided by the number of instances, and
            ``contrastive`` if it has a weight; weighted.
        """
        clips = len(targets) // self.length
        output = self.model(frames, self.length)
        truths = [clip_target(targets[clip::clips]) for clip in range(clips)]
        count = instance_count(sum(len(truth) for truth in truths), frames.device)
        terms: dict[str, Tensor] = {}
        for layer in output.layers:
            for clip, truth in enumerate(truths):
                prediction = of_clip(layer, clip, clips)
                assignment = assign(match_costs(prediction, truth, self.weights))
                found = clip_terms(prediction, truth, assignment)
                found |= self._mask_terms(prediction, output.mask_features[clip::clips], truth, assignment)
                for name, term in found.items():
                    weighted = getattr(self.weights, name) * term / count
                    terms[name] = terms[name] + weighted if name in terms else weighted
        if self.contrastive_head is not None:
            embeddings = [self.contrastive_head(layer.box_queries) for layer in output.layers]
            losses = [contrastive_loss(e, self.length, self.weights.temperature) for e in embeddings]
            terms["contrastive"] = self.weights.contrastive * torch.stack(losses).sum()
        return terms

    def _mask_terms(
        self, prediction: LayerPrediction, features: Tensor, truth: ClipTarget, assignment: Assignment
    ) -> dict[str, Tensor]:
        """Mask losses of the matched queries, over all frames of a clip: none shows what is not there."""
        if len(assignment.queries) == 0:
            nothing = 0.0 * (prediction.kernels.sum() + features.sum())  # processes need a gradient each
            return {"dice": nothing, "focal": nothing}
        kernels = prediction.kernels[:, assignment.queries].expand(self.length, -1, -1)
        points = prediction.points[:, assignment.queries]
        logits = self.model.segment(kernels, points, features).float().transpose(0, 1).flatten(1)
        masks = truth.masks[:, assignment.instances].transpose(0, 1).flatten(1)
        pixels = masks.shape[1]
        return {
            "dice": dice_loss(logits, masks).sum(),
            "focal": focal_loss(logits, masks, ALPHA, GAMMA) / pixels,
        }


def of_clip(layer: LayerPrediction, clip: int, clips: int) -> LayerPrediction:
    """What a layer predicts for one of the clips of a batch."""
    return LayerPrediction(
        class_logits=layer.class_logits[clip : clip + 1],
        kernels=layer.kernels[clip : clip + 1],
        boxes=layer.boxes[clip::clips],
        points=layer.points[clip::clips],
        box_queries=layer.box_queries[clip::clips],
    )


@torch.no_grad()
def match_costs(prediction: LayerPrediction, truth: ClipTarget, weights: SeqFormerLoss) -> Tensor:
    """The cost (N, G) of giving each query each instance of one clip.

    Args:
        prediction: of the clip.
        truth: G instances.
        weights: of the cost's terms.
    """
    probability = prediction.class_logits[0].float().sigmoid()[:, truth.labels]  # (N, G)
    positive = ALPHA * (1 - probability) ** GAMMA * -(probability + 1e-8).log()
    negative = (1 - ALPHA) * probability**GAMMA * -(1 - probability + 1e-8).log()
    l1, giou = box_distances(prediction.boxes.float()[:, :, None], truth.boxes[:, None])
    present = truth.present[:, None].to(l1)  # (T, 1, G)
    seen = present.sum(0).clamp(min=1)
    cost = weights.classes * (positive - negative)
    return cost + ((weights.l1 * l1 + weights.giou * giou) * present).sum(0) / seen


def clip_terms(prediction: LayerPrediction, truth: ClipTarget, assignment: Assignment) -> dict[str, Tensor]:
    """The terms of classes and boxes for one clip, unweighted sums over the instances.

    Args:
        prediction: of the clip.
        truth: its instances.
        assignment: of K queries; all others learn to be background.
    """
    queries, instances = assignment.queries, assignment.instances
    logits = prediction.class_logits[0].float()
    classes = torch.zeros_like(logits)
    classes[queries] = F.one_hot(truth.labels[instances], logits.shape[1]).to(logits)
    l1, giou = box_distances(prediction.boxes.float()[:, queries], truth.boxes[:, instances])
    present = truth.present[:, instances].to(l1)
    seen = present.sum(0).clamp(min=1)
    return {
        "classes": focal_loss(logits, classes, ALPHA, GAMMA),
        "l1": (l1 * present).sum(0).div(seen).sum(),
        "giou": (giou * present).sum(0).div(seen).sum(),
    }


def box_distances(boxes: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """L1 distance and 1 − generalised IoU.

    Args:
        boxes: (…, 4), centre x, centre y, width and height.
        truth: (…, 4), x0, y0, x1 and y1, of a shape that broadcasts with that of ``boxes``.

    Returns:
        Two of shape (…).
    """
    low, high = truth[..., :2], truth[..., 2:]
    l1 = (boxes - torch.cat([(low + high) / 2, high - low], dim=-1)).abs().sum(-1)
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return l1, 1 - generalised_iou(torch.cat([centre - half, centre + half], dim=-1), truth)


def contrastive_loss(embeddings: Tensor, length: int, temperature: float) -> Tensor:
    """InfoNCE between the box queries of any two frames of a clip (TAFormer, Eq. 7–8).

    A query is to be most like itself in the other frame among all queries there. The mean over queries, pairs
    of frames and clips, where Eq. 8 sums: so the weight does not depend on N and T.

    Args:
        embeddings: (T·B, N, D), frame-major.
        length: T; the loss of a single frame is 0.
        temperature: τ.
    """
    unit = F.normalize(embeddings.float(), dim=-1).unflatten(0, (length, -1)).transpose(0, 1)
    similarity = torch.einsum("btnd,bsmd->btsnm", unit, unit) / temperature
    own = similarity.log_softmax(dim=-1).diagonal(dim1=3, dim2=4)  # (B, T, T, N)
    pairs = 1.0 - torch.eye(length, device=own.device)
    weighted = -(own * pairs[None, :, :, None]).sum()
    return weighted / max(1, own.shape[0] * own.shape[3] * length * (length - 1))
