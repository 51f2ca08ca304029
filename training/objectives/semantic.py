"""Training-only heads that teach classes faster than matched queries do; ours, and off by default.

A query learns its class from a handful of matches a frame, which takes the paper's 17 million frames. After
3,800 iterations on the synthetic set 82 % of the objects had their masks, and 5 % of these their class, which
is chance. Two heads help, and neither is part of the model:

- ``SemanticHead`` names the class of every pixel of the mask features, as YOLACT's semantic segmentation loss
  does (Bolya et al., ICCV 2019, §5);
- ``QueryClassHead`` names the class of every query whose mask lies on an object, matched or not. The model's
  own class head has to call all of an object's queries but one background, and learns little while that one
  changes; one-to-many supervision beside it does not (H-DETR, Jia et al., CVPR 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevis.training.distributed import mean_over_processes
from mobilevis.training.objectives.losses import pairwise_dice_score
from mobilevis.training.objectives.matcher import Instances, Target, pad_targets


class SemanticHead(nn.Module):
    """Softmax classification of each pixel of the mask features, background first.

    Args:
        dim: channels of the mask features.
        num_classes: C.
    """

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.classify = nn.Conv2d(dim, 1 + num_classes, 1)

    def forward(self, mask_features: Tensor, targets: Sequence[Target]) -> Tensor:
        """The loss: mean cross-entropy of the objects' pixels plus that of the background's.

        Args:
            mask_features: (B, D, H/8, W/8).
            targets: B targets with masks at H/4, W/4.
        """
        labels = semantic_maps(pad_targets(targets))
        loss = F.cross_entropy(self.classify(mask_features).float(), labels, reduction="none")
        parts = torch.stack([labels > 0, labels == 0]).float()
        counts = mean_over_processes(parts.sum((1, 2, 3))).clamp(min=1)
        return ((parts * loss).sum((1, 2, 3)) / counts).sum()


class QueryClassHead(nn.Module):
    """Softmax classification of the queries whose masks lie on an object.

    Args:
        dim: channels of the queries.
        num_classes: C.
    """

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.classify = nn.Linear(dim, num_classes)

    def forward(self, queries: Tensor, mask_logits: Tensor, targets: Sequence[Target]) -> Tensor:
        """The loss: mean cross-entropy of the queries on objects.

        Args:
            queries: (B, N, D), as the class head reads them.
            mask_logits: (B, N, h, w).
            targets: B targets.
        """
        chosen, labels = [], []
        for row, masks, target in zip(queries, mask_logits, targets):
            on_object, instance = queries_on_objects(masks, target)
            chosen.append(row[on_object])
            labels.append(target.labels[instance])
        loss = F.cross_entropy(self.classify(torch.cat(chosen)).float(), torch.cat(labels), reduction="sum")
        count = torch.tensor(float(sum(map(len, labels))), device=loss.device)
        return loss / mean_over_processes(count).clamp(min=1)


@torch.no_grad()
def queries_on_objects(mask_logits: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """The queries of a frame whose masks have a dice of at least a half with an object, and these objects.

    Args:
        mask_logits: (N, h, w).
        target: M instances.

    Returns:
        (K,) query indices and (K,) instance indices.
    """
    if not len(target.labels):
        none = target.labels.new_zeros(0)
        return none, none
    dice = pairwise_dice_score(mask_logits.float().sigmoid().flatten(1), target.masks.flatten(1))
    best, instance = dice.max(1)
    on_object = (best >= 0.5).nonzero(as_tuple=True)[0]
    return on_object, instance[on_object]


def semantic_maps(instances: Instances) -> Tensor:
    """Classes of B frames at half the masks' resolution: (B, h/2, w/2) int64, 0 for the background, else 1 +
    label.

    A pixel is an object's where the object covers the most of it, and at least half.
    """
    masks, labels = instances.masks, instances.labels
    background = masks.new_full((len(masks), 1, *masks.shape[2:]), 0.5)
    coverage = F.avg_pool2d(torch.cat([background, masks], dim=1), 2).argmax(1)
    named = torch.cat([labels.new_zeros(len(labels), 1), labels + 1], dim=1)
    return named.gather(1, coverage.flatten(1)).view_as(coverage)
