"""kMaX-DeepLab's loss, as Video-kMaX and MaXTron-VPS use it: PQ-style masks and classes, mask ids, pixels.

A tube's quality is class probability times dice (Max-DeepLab's PQ-style similarity): the class loss is
weighed by the dice and the dice loss by the class probability, neither with a gradient. Void pixels count
nowhere.
Differs from kMaX in one point: pixels are contrasted once, in the final features, not after every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevis.training.objectives.base import LossWeights
from mobilevis.training.objectives.clip_targets import ClipTarget
from mobilevis.training.objectives.matcher import assign

FOREGROUND = 0.75  # weight of queries with a class; 0.25 of those without (Max-DeepLab's focal alpha)
LEAST_WEIGHT = 1e-5
CONTRAST_TEMPERATURE = 0.3
SAMPLES = 4096
AREA_POWER = 1.8  # small segments' pixels are drawn more often: by the inverse area to this power


@dataclass(frozen=True)
class KMaxLoss(LossWeights):
    """Weights of the loss: those of MaXTron's within-clip training on VIPSeg.

    Attributes:
        classes: of the PQ-style class loss.
        dice: of the PQ-style mask loss.
        mask: of the cross-entropy over the queries of each pixel.
        pixels: of the contrast between pixels of different segments.
        semantic: of the auxiliary that names the class of each pixel.
        background: what nothing covers is a segment without a class; otherwise it is void, and ignored, as
            panoptic annotations mean it.
        stage: see ``MaXTronObjective``.
    """

    classes: float = 4.0
    dice: float = 5.0
    mask: float = 0.1
    pixels: float = 1.0
    semantic: float = 1.0
    background: bool = False
    stage: str = "clips"


class Segments(NamedTuple):
    """G segments of a clip that share out its pixels.

    Attributes:
        labels: (G,) int64; C for the background.
        masks: (G, P) float32, each one's share of a pixel, P = F·h·w.
        void: (P,) bool, pixels of no segment.
    """

    labels: Tensor
    masks: Tensor
    void: Tensor


class Matching(NamedTuple):
    """Which query has which segment, and how well.

    Attributes:
        queries: (K,) int64.
        segments: (K,) int64.
        dice: (K,), of the masks.
        probability: (K,), of the class.
    """

    queries: Tensor
    segments: Tensor
    dice: Tensor
    probability: Tensor


def share_out(target: ClipTarget, num_classes: int, background: bool) -> Segments:
    """A clip's pixels among its instances.

    With a background, each has the share of a pixel that it covers: shapes finer than the masks' resolution.
    Without, a pixel is the instance's that covers the most of it, and at least half, or void.
    """
    masks = target.masks.transpose(0, 1).flatten(1)  # (G, P)
    if background:
        shares = masks / masks.sum(0).clamp(min=1.0)
        labels = torch.cat([target.labels, target.labels.new_full((1,), num_classes)])
        rest = 1.0 - shares.sum(0, keepdim=True)
        return Segments(labels, torch.cat([shares, rest]), torch.zeros_like(rest[0], dtype=torch.bool))
    bar = masks.new_full((1, masks.shape[1]), 0.5)
    owner = torch.cat([bar, masks]).argmax(0)
    one_hot = F.one_hot(owner, len(masks) + 1).T.to(masks.dtype)
    return Segments(target.labels, one_hot[1:], owner == 0)


@torch.no_grad()
def match_segments(class_logits: Tensor, mask_logits: Tensor, segments: Segments) -> Matching:
    """The one-to-one assignment of largest total quality, class probability times dice.

    Args:
        class_logits: (N, C + 1).
        mask_logits: (N, P).
        segments: G of them.

    Raises:
        FloatingPointError: the predictions are not finite, so that no assignment exists.
    """
    masks = mask_logits.float().softmax(0).masked_fill(segments.void, 0.0)
    overlap = masks @ segments.masks.T
    sizes = masks.sum(1)[:, None] + segments.masks.sum(1)[None]
    dice = 2 * overlap / (sizes + 1e-5)
    probability = class_logits.float().softmax(1)[:, segments.labels]
    quality = dice * probability
    found = assign(quality, maximize=True)
    queries, chosen = found.queries, found.instances
    return Matching(queries, chosen, dice[queries, chosen], probability[queries, chosen])


def class_loss(class_logits: Tensor, mask_logits: Tensor, segments: Segments, matching: Matching) -> Tensor:
    """Cross-entropy of each query's class, weighed by its dice; of the others, by their share of void."""
    with torch.no_grad():
        labels = torch.full_like(class_logits[:, 0], class_logits.shape[1] - 1, dtype=torch.long)
        labels[matching.queries] = segments.labels[matching.segments]
        masks = mask_logits.softmax(0)
        weights = (masks * segments.void).sum(1) / (masks.sum(1) + 1e-5)
        weights[matching.queries] = matching.dice
        balance = torch.where(labels < class_logits.shape[1] - 1, FOREGROUND, 1 - FOREGROUND)
        weights = weights.clamp(min=LEAST_WEIGHT) * balance
    return (weights * F.cross_entropy(class_logits, labels, reduction="none")).mean()


def dice_loss(mask_logits: Tensor, segments: Segments, matching: Matching) -> Tensor:
    """1 − dice of the matched masks, weighed by their class's probability, summed, for each query."""
    masks = mask_logits.softmax(0).masked_fill(segments.void, 0.0)[matching.queries]
    wanted = segments.masks[matching.segments]
    dice = (2 * (masks * wanted).sum(1) + 1) / (masks.sum(1) + wanted.sum(1) + 1)
    weights = matching.probability.clamp(min=LEAST_WEIGHT)
    return FOREGROUND * ((1 - dice) * weights).sum() / len(mask_logits)


def mask_id_loss(mask_logits: Tensor, segments: Segments, matching: Matching) -> Tensor:
    """Cross-entropy over the queries, of every pixel whose segments have one."""
    shares = torch.zeros_like(mask_logits)
    shares[matching.queries] = segments.masks[matching.segments]
    owned = shares.sum(0) > 0
    loss = F.cross_entropy(mask_logits.T, shares.T, reduction="none")
    return (loss * owned).sum() / owned.sum().clamp(min=1)


def pixel_contrast(pixels: Tensor, segments: Segments, samples: int = SAMPLES) -> Tensor:
    """Instance discrimination: pixels of one segment are alike, of two not.

    Args:
        pixels: (D', P), unit vectors.
        segments: of the same pixels.
        samples: pixels that are drawn, those of small segments more often.
    """
    areas = (segments.masks * segments.masks.sum(1, keepdim=True)).sum(0)
    weights = torch.where(areas > 0, areas.clamp(min=1).pow(-AREA_POWER), 0.0)
    count = min(samples, int((weights > 0).sum()))
    if count == 0:
        return pixels.sum() * 0.0
    drawn = torch.multinomial(weights, count)
    same = segments.masks[:, drawn].T @ segments.masks[:, drawn]
    similarity = pixels[:, drawn].T @ pixels[:, drawn] / CONTRAST_TEMPERATURE
    return F.cross_entropy(similarity, same / same.sum(1, keepdim=True))


def layer_terms(
    class_logits: Tensor,
    mask_logits: Tensor,
    segments: Sequence[Segments],
    matchings: Sequence[Matching],
    weights: KMaxLoss,
) -> dict[str, Tensor]:
    """The terms ``classes``, ``dice`` and ``mask`` of one layer, averaged over B clips.

    Args:
        class_logits: (B, N, C + 1).
        mask_logits: (B, N, P).
        segments: B.
        matchings: B.
        weights: of the terms.
    """
    rows = list(zip(class_logits.float(), mask_logits.float(), segments, matchings))
    terms = {
        "classes": weights.classes * torch.stack([class_loss(*row) for row in rows]).mean(),
        "dice": weights.dice * torch.stack([dice_loss(*row[1:]) for row in rows]).mean(),
        "mask": weights.mask * torch.stack([mask_id_loss(*row[1:]) for row in rows]).mean(),
    }
    return {name: term for name, term in terms.items() if getattr(weights, name)}
